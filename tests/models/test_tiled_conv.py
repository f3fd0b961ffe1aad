"""The folded convolution is the one over tiled planes, to the bit of double precision, borders and gradients too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.models.tiled_conv import TiledConv


def tiled(conv: TiledConv, images: Tensor, condition: Tensor) -> Tensor:
    planes = condition[:, :, None, None].expand(-1, -1, *images.shape[2:])
    return torch.nn.functional.conv2d(torch.cat([images, planes], 1), conv.weight, conv.bias, 2, 1)


@pytest.mark.parametrize("side", [4, 6, 16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_over_planes(side: int, layout: torch.memory_format) -> None:
    draw = torch.Generator().manual_seed(side)
    conv = TiledConv(3, 7, 5, side).double()
    images = torch.randn(2, 3, side, side, generator=draw, dtype=torch.float64).contiguous(memory_format=layout)
    condition = torch.randn(2, 7, generator=draw, dtype=torch.float64)
    slope = torch.randn(2, 5, side // 2, side // 2, generator=draw, dtype=torch.float64)
    leaves = [images.requires_grad_(), condition.requires_grad_(), *conv.parameters()]
    found, truth = conv(images, condition), tiled(conv, images, condition)
    torch.testing.assert_close(found, truth, atol=1e-12, rtol=1e-12)
    pairs = zip(
        torch.autograd.grad((found * slope).sum(), leaves), torch.autograd.grad((truth * slope).sum(), leaves),
        strict=True,
    )  # fmt: skip
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)


def test_without_a_condition_it_is_a_convolution() -> None:
    conv = TiledConv(3, 0, 5, 8)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(conv(images, torch.zeros(2, 0)), tiled(conv, images, torch.zeros(2, 0)))


def test_a_half_stays_near_the_planes() -> None:
    draw = torch.Generator().manual_seed(2)
    conv = TiledConv(3, 64, 8, 16).double()
    images = torch.randn(2, 3, 16, 16, generator=draw, dtype=torch.float64)
    condition = torch.randn(2, 64, generator=draw, dtype=torch.float64)
    truth = tiled(conv, images, condition)
    half = conv.to(torch.bfloat16)
    found, plain = half(images.bfloat16(), condition), tiled(half, images.bfloat16(), condition.bfloat16())
    assert (found.double() - truth).norm() < 2 * (plain.double() - truth).norm()
