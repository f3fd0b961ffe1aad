"""The conditional WGAN: its sizes, its folded planes, and what a condition does to generator and critic."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.wgan import ORIGINAL, AttributedConv, Critic, Generator, Geometry

SMALL = Geometry(side=16, latent=6, attributes=3, embedding=5, channels=4, critic_channels=8)


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_originals_sizes() -> None:
    """Text2ImageClip's: 140 -> 1024, 512, 256, 128 -> 3 and 43 -> 64, 128, 256, 512 -> 1, 80 planes of 4096."""
    with torch.device("meta"):
        generator, critic = Generator(ORIGINAL), Critic(ORIGINAL)
    maps = 16 * (140 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 3
    assert count(generator) == maps + 2 * (1024 + 512 + 256 + 128)
    maps = 16 * (43 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) + 64 + 1
    assert count(critic) == maps + 2 * (128 + 256 + 512) + 80 * 64 * 64


@pytest.mark.parametrize("side", [8, 16, 64])
def test_shapes(side: int) -> None:
    geometry = replace(SMALL, side=side)
    pictures = Generator(geometry)(draw(2, 6), draw(2, 8))
    assert pictures.shape == (2, 3, side, side)
    assert pictures.abs().max() <= 1
    assert Critic(geometry)(pictures, draw(2, 8)).shape == (2,)


def test_a_geometry_without_a_condition() -> None:
    geometry = replace(SMALL, attributes=0, embedding=0)
    pictures = Generator(geometry)(draw(2, 6), torch.zeros(2, 0))
    assert Critic(geometry)(pictures, torch.zeros(2, 0)).shape == (2,)


def test_folded_planes_are_the_tiled_ones() -> None:
    """The layer against its definition: each attribute's plane beside the colours, one convolution over all."""
    layer = AttributedConv(3, 4, 5, 8).double()
    planes = cast(nn.Embedding, layer.planes)
    images, present = draw(6, 3, 8, 8).double(), (draw(6, 4, seed=2) > 0).long()
    rows = planes(2 * torch.arange(4) + present).view(6, 4, 8, 8)
    truth = F.conv2d(torch.cat([images, rows], 1), layer.weight, layer.bias, 2, 1)
    attributes = (2 * present - 1).double()
    torch.testing.assert_close(layer(images, attributes), truth, rtol=1e-12, atol=1e-12)
    both = [layer(images, attributes.index_fill(1, torch.tensor([2]), value)) for value in (-1.0, 1.0)]
    unknown = layer(images, attributes.index_fill(1, torch.tensor([2]), 0.0))
    torch.testing.assert_close(unknown, (both[0] + both[1]) / 2, rtol=1e-12, atol=1e-12)


def test_folded_planes_have_the_tiled_ones_gradients() -> None:
    layer = AttributedConv(3, 4, 5, 8).double()
    planes = cast(nn.Embedding, layer.planes)
    images, present = draw(6, 3, 8, 8).double().requires_grad_(), (draw(6, 4, seed=2) > 0).long()
    seen = draw(6, 5, 4, 4, seed=3).double()
    rows = planes(2 * torch.arange(4) + present).view(6, 4, 8, 8)
    tiled = F.conv2d(torch.cat([images, rows], 1), layer.weight, layer.bias, 2, 1)
    leaves = [images, layer.weight, cast(Tensor, layer.bias), planes.weight]
    folded = layer(images, (2 * present - 1).double())
    for ours, theirs in zip(
        torch.autograd.grad((folded * seen).sum(), leaves), torch.autograd.grad((tiled * seen).sum(), leaves),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("part", [0, 3], ids=["attribute", "embedding"])
def test_either_part_of_a_condition_tells(part: int) -> None:
    generator, critic = Generator(SMALL).eval(), Critic(SMALL)
    z, condition = draw(2, 6), torch.zeros(2, 8)
    other = condition.clone()
    other[1, part] = 1.0
    pictures = generator(z, condition)
    changed = generator(z, other)
    assert torch.equal(pictures[0], changed[0])
    assert (pictures[1] - changed[1]).abs().max() > 1e-6
    one, two = critic(pictures, condition), critic(pictures, other)
    assert one[0] == two[0]
    assert (one[1] - two[1]).abs() > 1e-7


def test_the_critic_sees_every_picture_alone() -> None:
    critic = Critic(SMALL).double()
    images, condition = draw(3, 3, 16, 16).double(), draw(3, 8, seed=2).double()
    alone = torch.cat([critic(images[k : k + 1], condition[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(critic(images, condition), alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"side": 48}, r"expected pictures of a side of 8, 16, 32, 64, 128 ..., got 48"),
        ({"side": 4}, "got 4"),
        ({"latent": 0}, r"expected a latent and channels of 1 or more .* got 0, 4 and 8"),
        ({"critic_channels": 0}, "got 6, 4 and 0"),
    ],
)
def test_networks_that_cannot_be(wrong: dict[str, int], sentence: str) -> None:
    for network in (Generator, Critic):
        with pytest.raises(UserError, match=sentence):
            network(replace(SMALL, **wrong))
