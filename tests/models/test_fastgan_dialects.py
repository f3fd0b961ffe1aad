"""Checkpoints of FastGANs, against a plain implementation under torch's own spectral norm."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrizations

from fastclipgen.errors import UserError
from fastclipgen.models.fastgan import FastGAN, Geometry
from fastclipgen.models.fastgan_dialects import build, fold
from fastclipgen.weights.checkpoint import check_checkpoint, read_tensors

from .fastgan_checkpoints import Plain, all_file, randomised


@pytest.fixture(scope="module")
def plain() -> Plain:
    return randomised()


def drawn(model: FastGAN | Plain, noise: dict[int, Tensor]) -> list[Tensor]:
    z = torch.randn(2, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return list(model.both(z, noise) if isinstance(model, FastGAN) else model(z, noise))


def assert_same_pictures(ours: FastGAN, theirs: Plain) -> None:
    noise = ours.noise(torch.tensor([1, 2]))
    for one, two in zip(drawn(ours, noise), drawn(theirs, noise), strict=True):
        assert two.std() > 1e-3
        torch.testing.assert_close(one, two, atol=1e-3 * float(two.std()), rtol=1e-3)


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_it_computes_what_is_documented(size: int) -> None:
    plain = randomised(size)
    model = build(plain.state_dict(), "it.pth")
    assert model.geometry == Geometry.usual(size, base=8, latent=6)
    assert (model.training, model.calibrated) == (False, True)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert_same_pictures(model, plain)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_of_the_original_program(plain: Plain, tmp_path: Path, prefix: str) -> None:
    other = randomised(seed=5)
    averages = [parameter.detach() for parameter in other.parameters()]
    path = tmp_path / "all_50000.pth"
    torch.save(all_file(plain, averages, prefix), path)
    check_checkpoint(path, "it")
    tensors = read_tensors(path, "it")
    live = build(tensors, "it", average=False)
    assert live.calibrated
    assert_same_pictures(live, plain)
    mean = build(tensors, "it")
    assert not mean.calibrated
    averaged = randomised()
    with torch.no_grad():
        for parameter, value in zip(averaged.parameters(), averages, strict=True):
            parameter.copy_(value)
    assert_same_pictures(mean, averaged)


def test_a_file_whose_g_is_the_average(plain: Plain, tmp_path: Path) -> None:
    content = {"g": plain.state_dict(), "d": {"down_4.main.0.weight_orig": torch.ones(1)}}
    torch.save(content, tmp_path / "50000.pth")
    model = build(read_tensors(tmp_path / "50000.pth", "it"), "it")
    assert not model.calibrated
    assert_same_pictures(model, plain)


def test_our_own_files(plain: Plain) -> None:
    model = build(plain.state_dict(), "it")
    again = build({name: tensor.half() for name, tensor in model.state_dict().items()}, "ours")
    assert again.calibrated
    assert {tensor.dtype for tensor in again.parameters()} == {torch.float32}
    noise = model.noise(torch.tensor([1, 2]))
    for one, two in zip(drawn(again, noise), drawn(model, noise), strict=True):
        torch.testing.assert_close(one, two, atol=0.05 * float(two.std()), rtol=0.05)


def test_small_networks_tell_their_size() -> None:
    for geometry in (Geometry.usual(32, 8, 5), Geometry.usual(64, 8, 5), Geometry((24, 18, 16, 10, 6, 4), 7)):
        assert build(FastGAN(geometry).state_dict(), "it").geometry == geometry


def test_torchs_later_spectral_norm() -> None:
    layers = torch.nn.ModuleDict({"a": torch.nn.Conv2d(3, 4, 3, bias=False), "b": torch.nn.Conv2d(4, 2, 1)})
    for layer in layers.values():
        parametrizations.spectral_norm(layer)
    layers.eval()
    folded = fold(layers.state_dict(), "it")
    assert folded.keys() == {"a.weight", "b.weight", "b.bias"}
    torch.testing.assert_close(folded["a.weight"], layers["a"].weight)
    torch.testing.assert_close(folded["b.weight"], layers["b"].weight)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"feat_8.1.weight_u": None}, r"lacks the spectral norm of 'feat_8\.1\.weight' \('feat_8\.1\.weight_u'\)"),
        ({"feat_8.1.weight_v": torch.ones(3)}, r"lacks the spectral norm of 'feat_8\.1\.weight' \("),
        ({"feat_16.1.weight_orig": None}, "holds no FastGAN: expected a generator's 'init.init.0' and 'feat_8.1'"),
        ({"init.init.0.weight_orig": None}, "holds no FastGAN"),
        ({"se_64.main.3.weight_orig": None}, r"lacks 'se_64\.main\.3\.weight'"),
        ({"extra": torch.ones(1)}, "has more than its architecture knows: 'extra'"),
        ({"feat_8.3.running_var": torch.ones(2)}, r"'feat_8\.3\.running_var' .* is \[2\], expected \[128\]"),
        ({"to_big.weight_orig": torch.full((3, 4, 3, 3), torch.nan)}, r"'to_big\.weight' .* not finite"),
    ],
)
def test_weights_that_do_not_fit(plain: Plain, change: dict[str, Tensor | None], sentence: str) -> None:
    tensors = {**plain.state_dict(), **change}
    with pytest.raises(UserError, match=sentence):
        build({name: tensor for name, tensor in tensors.items() if tensor is not None}, "it.pth")


def test_averages_that_do_not_fit(plain: Plain) -> None:
    named = {f"g.{name}": tensor for name, tensor in plain.state_dict().items()}
    averages = {f"g_ema.{k}": tensor for k, tensor in enumerate(plain.parameters())}
    count = len(averages)
    with pytest.raises(UserError, match=f"'g_ema' in it.pth holds {count - 1} tensors .* has {count} parameters"):
        build(named | {k: v for k, v in averages.items() if k != f"g_ema.{count - 1}"}, "it.pth")
    with pytest.raises(UserError, match="are not those of its 'g'"):
        build(named | averages | {"g_ema.3": torch.ones(3)}, "it.pth")


def test_what_is_no_fastgan() -> None:
    with pytest.raises(UserError, match=r"x\.pt holds no FastGAN: .* got 'a', 'b', 'c'; give"):
        build({name: torch.ones(1) for name in "abcd"}, "x.pt")
    with pytest.raises(UserError, match="got no tensors"):
        build({}, "x.pt")
