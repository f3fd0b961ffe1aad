"""Decoding in strips gives the picture and the gradient of decoding in one piece, and keeps less of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastclipgen.models import vqgan_strips
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.models.vqgan_layers import Norm

from .vqgan_checkpoints import Sizes, taming


@pytest.fixture(scope="module")
def model() -> VQGAN:
    return build(taming(1, Sizes(widths=(32, 64, 64), attention=(1,), blocks=1)), "x")


def latents(model: VQGAN, height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    shape = (2, model.geometry.z_channels, height, width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=dtype).requires_grad_()


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 16, 100])
def test_same_picture_and_same_gradient(model: VQGAN, rows: int) -> None:
    decoder = model.double().decoder
    z = latents(model, 5, 4)
    whole, cut = decoder(z), vqgan_strips.decode(decoder, z, rows)
    torch.testing.assert_close(cut, whole, atol=1e-10, rtol=1e-10)
    slope = torch.randn(whole.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    backs = [torch.autograd.grad((picture * slope).sum(), z)[0] for picture in (whole, cut)]
    torch.testing.assert_close(backs[1], backs[0], atol=1e-9, rtol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(vqgan_strips.decode(decoder, z, rows), whole.detach(), atol=1e-10, rtol=1e-10)


def test_up_to_rounding_in_float32_and_bf16(model: VQGAN) -> None:
    truth = model.double().decoder(latents(model, 5, 4))
    for dtype in (torch.float32, torch.bfloat16):
        decoder = model.to(dtype).decoder
        z = latents(model, 5, 4).to(dtype)
        plain, cut = ((picture - truth).abs().mean() for picture in (decoder(z), vqgan_strips.decode(decoder, z, 3)))
        assert cut < 1.5 * plain


def kept(decode: Callable[[Tensor], Tensor], z: Tensor, weights: set[int]) -> int:
    """Bytes that the backward of `decode` keeps, besides weights."""
    saved: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        saved[value.untyped_storage()._cdata] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        decode(z)
    return sum(value.untyped_storage().nbytes() for key, value in saved.items() if key not in weights)


def test_strips_keep_about_what_the_whole_keeps() -> None:
    """Which is the maps that norms read, and no others."""
    model = build(taming(1, Sizes(attention=(), blocks=1)), "x")  # attention in the middle only
    decoder = model.decoder
    weights = {value.untyped_storage()._cdata for value in decoder.parameters()}
    z = latents(model, 12, 12, torch.float32)
    whole = kept(decoder, z, weights)
    cut = kept(lambda z: vqgan_strips.decode(decoder, z, 4), z, weights)
    assert cut < 1.1 * whole


def test_the_affine_form_is_the_norm() -> None:
    norm = Norm(64, 1e-5).double()
    torch.nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(2))
    x = 3 + torch.randn(2, 64, 5, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    scale, shift = vqgan_strips.affine(norm, x)
    torch.testing.assert_close(torch.nn.functional.silu(x * scale + shift), norm(x))
