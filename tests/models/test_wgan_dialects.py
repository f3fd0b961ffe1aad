"""Weights of a WGAN from our files and from Text2ImageClip's, which compute what they did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.models.about import About
from fastclipgen.models.cvae_dialects import CELEBA
from fastclipgen.models.wgan import ORIGINAL, Generator, Geometry
from fastclipgen.models.wgan_dialects import KEY, about, build, is_wgan
from fastclipgen.weights.checkpoint import read_tensors

from .wgan_checkpoints import text2image_clip

SMALL = Geometry(side=16, latent=6, attributes=2, embedding=5, channels=4, critic_channels=8)
WIDTHS = (12, 6)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("biases", [False, True])
def test_a_file_of_text2image_clip_computes_what_it_did(biases: bool) -> None:
    """Its layers written out, in float64."""
    weights = text2image_clip(3, WIDTHS, biases=biases)
    found = about(weights, {}, "the WGAN")
    assert found.geometry == replace(ORIGINAL, side=16, channels=6)
    assert (found.attributes, found.clip) == (CELEBA, "")
    model = build(weights, found, "the WGAN").double()
    z, attributes = draw(3, 100), draw(3, 40, seed=2).sign()
    w = {name.removeprefix("generator_state_dict."): value.double() for name, value in weights.items()}
    x = torch.cat([z, attributes], 1)[:, :, None, None]
    for level, (stride, padding) in enumerate([(1, 0), (2, 1)]):
        name = f"net.{level}"
        x = F.conv_transpose2d(x, w[f"{name}.0.weight"], w.get(f"{name}.0.bias"), stride, padding)
        mean, variance, weight, bias = (
            w[f"{name}.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.relu(F.batch_norm(x, mean, variance, weight, bias))
    truth = F.conv_transpose2d(x, w["last.weight"], w["last.bias"], 2, 1).tanh()
    torch.testing.assert_close(model(z, attributes), truth, rtol=1e-5, atol=1e-6)


def test_a_whole_checkpoint_has_the_originals_geometry(tmp_path: Path) -> None:
    nested: dict[str, dict] = {"g_opt_state_dict": {"state": {}, "param_groups": []}}
    for name, value in text2image_clip(1).items():
        part, _, inner = name.partition(".")
        nested.setdefault(part, {})[inner] = value
    torch.save(nested, tmp_path / "checkpoint2.pth")
    tensors = read_tensors(tmp_path / "checkpoint2.pth", "the WGAN")
    assert is_wgan(tensors, {})
    assert about(tensors, {}, "the WGAN").geometry == replace(ORIGINAL, critic_channels=64)
    model = build(tensors, about(tensors, {}, "the WGAN"), "the WGAN")
    assert model(torch.zeros(1, 100), torch.zeros(1, 40)).shape == (1, 3, 64, 64)


def test_one_without_attributes() -> None:
    found = about(text2image_clip(1, WIDTHS, attributes=0), {}, "the WGAN")
    assert (found.geometry.attributes, found.attributes) == (0, ())


def test_our_files_say_what_they_are() -> None:
    said = About(SMALL, ("a", "b"), "builtin")
    model = Generator(SMALL).eval()
    tensors = dict(model.state_dict())
    assert is_wgan(tensors, said.metadata(KEY))
    assert not is_wgan(tensors, {})
    found = about(tensors, said.metadata(KEY), "it")
    assert found == said
    built = build({name: value.half() for name, value in tensors.items()}, found, "it")
    assert not any(parameter.requires_grad for parameter in built.parameters())
    z, condition = draw(2, 6).float(), draw(2, 7).float()
    torch.testing.assert_close(built(z, condition), model(z, condition), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ("{", "what the WGAN says of itself cannot be read"),
        ('{"geometry": {"side": 48}, "attributes": [], "clip": ""}', "got 48"),
        ('{"geometry": {"width": 4}, "attributes": [], "clip": ""}', "unexpected keyword argument 'width'"),
        ('{"attributes": []}', "cannot be read"),
    ],
)
def test_a_head_that_says_nothing_sensible(metadata: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        about({}, {KEY: metadata}, "the WGAN")


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"generator_state_dict.0.weight": torch.zeros(100, 8, 4, 4)},
        text2image_clip(0, (12, 7)),
        text2image_clip(0, WIDTHS, attributes=39),
    ],
    ids=["nothing", "one layer", "widths", "attributes"],
)
def test_weights_of_something_else(tensors: dict[str, Tensor]) -> None:
    with pytest.raises(UserError, match=r"the WGAN is no WGAN: expected .* got layers of"):
        about(tensors, {}, "the WGAN")


def test_a_missing_weight_is_named() -> None:
    weights = text2image_clip(0, WIDTHS)
    del weights["generator_state_dict.net.1.1.running_var"]
    with pytest.raises(UserError, match=r"the WGAN lacks 'layers.4.running_var'"):
        build(weights, about(weights, {}, "the WGAN"), "the WGAN")
