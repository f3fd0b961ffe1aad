"""FastGAN's discriminator: both variants, their shapes, names and weights; what the decoders are given."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from fastclipgen.errors import UserError
from fastclipgen.models.fastgan_dialects import build_discriminator
from fastclipgen.models.fastgan_discriminator import Discriminator, Geometry, quarter_of

NAMES = {  # of the upstream variant's convolutions for 256 pixels
    "down_from_big": "0", "down_4": "main.0 main.3 direct.1", "down_8": "main.0 main.3 direct.1",
    "down_16": "main.0 main.3 direct.1", "down_32": "main.0 main.3 direct.1", "down_64": "main.0 main.3 direct.1",
    "se_2_16": "main.1 main.3", "se_4_32": "main.1 main.3", "se_8_64": "main.1 main.3", "rf_big": "0 3",
    "down_from_small": "0 2.main.0 3.main.0 4.main.0", "rf_small": "", "decoder_big": "main.1.1 main.2.1 main.3.1 "
    "main.4.1 main.5", "decoder_small": "main.1.1 main.2.1 main.3.1 main.4.1 main.5", "decoder_part": "main.1.1 "
    "main.2.1 main.3.1 main.4.1 main.5",
}  # fmt: skip


def pictures(geometry: Geometry) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 3, geometry.size, geometry.size, generator=random),
        torch.randn(2, 3, geometry.small, geometry.small, generator=random),
    )


def made(geometry: Geometry) -> Discriminator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Discriminator(geometry).eval()


@pytest.mark.parametrize(
    ("geometry", "logits"),
    [
        *((Geometry(size, 8), 50) for size in (32, 64, 128, 256, 512, 1024)),
        *((Geometry(size, 8, "vendored"), 2) for size in (512, 1024)),
    ],
)
@torch.no_grad()
def test_shapes(geometry: Geometry, logits: int) -> None:
    model, small = made(geometry), geometry.small
    told, painted = model(*pictures(geometry), quarter=torch.tensor(2))
    assert told.shape == (2, logits)
    assert painted is not None
    assert [tuple(picture.shape) for picture in painted] == [(2, 3, small, small)] * 3
    assert all(float(picture.abs().max()) <= 1 for picture in painted)
    assert model(*pictures(geometry))[1] is None


def test_names_of_the_upstream_variant() -> None:
    with torch.device("meta"):
        model = Discriminator(Geometry(256))
    found = {name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    assert found == {
        f"{layer}.{part}".rstrip(".") for layer, parts in NAMES.items() for part in (parts.split() or [""])
    }
    assert model.down_from_big[0].weight.shape == (16, 3, 3, 3)
    assert model.get_submodule("down_64.main.0").weight.shape == (512, 256, 4, 4)
    assert model.rf_big[0].weight.shape == (1024, 512, 1, 1)
    assert model.down_from_small[0].weight.shape == (32, 3, 4, 4)


@pytest.mark.parametrize(
    "geometry",
    [Geometry(64, 4, decoder=2), Geometry(256, 8), Geometry(1024, 8), Geometry(512, 8, "vendored", 24, 8)],
    ids=str,
)
@torch.no_grad()
def test_files_of_the_original_program(geometry: Geometry) -> None:
    plain = made(geometry)
    for module in list(plain.modules()):
        if isinstance(module, nn.Conv2d):
            spectral_norm(module)
    plain.eval()
    tensors = {f"d.module.{name}": tensor for name, tensor in plain.state_dict().items()}
    assert any(name.endswith("weight_orig") for name in tensors)
    model = build_discriminator({"g.init.init.0.weight": torch.ones(1), **tensors}, "all_1.pth")
    assert model.geometry == geometry
    ours, theirs = (
        model(*pictures(geometry), quarter=torch.tensor(1)),
        plain(*pictures(geometry), quarter=torch.tensor(1)),
    )
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-4, rtol=1e-3)
    for one, two in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)


def test_quarters() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert [quarter_of(x, torch.tensor(number))[0, 0, 0, 0].item() for number in range(4)] == [0, 2, 8, 10]
    assert quarter_of(x, torch.tensor(3)).tolist() == [[[[10, 11], [14, 15]]]]


@torch.no_grad()
def test_the_quarter_is_that_of_the_trunks_map() -> None:
    geometry = Geometry(64, 4)
    model = made(geometry)
    seen: list[Tensor] = []
    model.get_submodule("down_32").register_forward_hook(lambda module, given, out: seen.append(out))
    model.decoder_part.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    model(*pictures(geometry), quarter=torch.tensor(2))
    assert torch.equal(seen[1], seen[0][:, :, 8:, :8])


def test_none_there() -> None:
    with pytest.raises(UserError, match=r"x\.pth holds no discriminator of a FastGAN"):
        build_discriminator({"g.init.init.0.weight": torch.ones(1)}, "x.pth")
    with pytest.raises(ValueError, match="for 512 or 1024 pixels, got 256"):
        Geometry(256, variant="vendored")
