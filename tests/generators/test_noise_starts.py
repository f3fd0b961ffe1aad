"""Noise to start from: what each kind looks like in numbers, one picture a seed, the same alone and in a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.generators import registry
from fastclipgen.generators.noise_starts import NOISES, noise_start
from fastclipgen.models.vqgan_dialects import build

from ..models.vqgan_checkpoints import taming

SEEDS = torch.tensor([0, 7, 2**62])
RANDOM = ["pixels", "perlin", "gradient"]


def likeness(pictures: Tensor, by: int) -> float:
    """The correlation of values with those `by` pixels to their right, over all channels."""
    left, right = (x - x.mean() for x in (pictures[..., :-by], pictures[..., by:]))
    return float((left * right).mean() / (left.std() * right.std()))


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 64), (300, 20)])
def test_any_size_alone_and_in_a_batch(kind: str, size: tuple[int, int]) -> None:
    pictures = noise_start(kind, SEEDS, *size)
    assert (pictures.shape, pictures.dtype) == ((3, 3, *size), torch.float32)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    for row, seed in enumerate(SEEDS):
        assert torch.equal(noise_start(kind, seed[None], *size)[0], pictures[row])


@pytest.mark.parametrize("kind", RANDOM)
def test_every_seed_and_every_channel_has_its_own(kind: str) -> None:
    pictures = noise_start(kind, torch.arange(4), 64, 64)
    assert torch.equal(pictures, noise_start(kind, torch.arange(4), 64, 64))
    planes = pictures.flatten(0, 1).flatten(1)  # [12, pixels]
    assert (torch.cdist(planes, planes) + torch.eye(12) * 99).min() > 0.5


def test_pixels_are_uniform_and_know_nothing_of_their_neighbours() -> None:
    pictures = noise_start("pixels", torch.arange(4), 128, 128)
    assert float(pictures.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(pictures.std()) == pytest.approx(12**-0.5, abs=0.005)
    assert abs(likeness(pictures, 1)) < 0.02
    assert torch.equal(noise_start("snow", torch.arange(4), 128, 128), pictures), "another name for it"


def test_perlin_is_cloudy_with_contrast() -> None:
    pictures = noise_start("perlin", torch.arange(4), 256, 256)
    low, high = pictures.amin((2, 3)), pictures.amax((2, 3))
    torch.testing.assert_close(low, torch.zeros(4, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(high, torch.ones(4, 3), atol=1e-4, rtol=0)
    assert 0.2 < pictures.std() < 0.3, "stretched, and in contrast"
    assert likeness(pictures, 1) > 0.85, "smooth from pixel to pixel"
    assert abs(likeness(pictures, 16)) < 0.1, "two cells of 8 pixels away, another cloud"


def test_clouds_grow_with_the_picture() -> None:
    small, large = noise_start("perlin", torch.arange(2), 256, 256), noise_start("perlin", torch.arange(2), 300, 512)
    assert likeness(large, 5) > 0.4 > 0.2 > likeness(small, 5), "cells of 16 pixels instead of 8"
    tiny = noise_start("perlin", torch.arange(2), 48, 48)
    assert likeness(tiny, 5) == pytest.approx(likeness(small, 5), abs=0.15), "no smaller ones below 256"


def test_gradients_are_ramps() -> None:
    pictures = noise_start("gradient", torch.arange(50), 16, 24)
    red, green, blue = pictures.unbind(1)
    assert torch.equal(red, red[:, :1].expand_as(red)), "red goes across"
    assert torch.equal(green, green[..., :1].expand_as(green)), "green goes down"
    assert red[..., 0].max() == green[:, 0].max() == 0
    torch.testing.assert_close(red[:, 0].diff(dim=1, n=2), torch.zeros(50, 22), atol=1e-6, rtol=0)
    torch.testing.assert_close(blue[..., 0].diff(dim=1, n=2), torch.zeros(50, 14), atol=1e-6, rtol=0)
    ends = torch.stack([red[:, 0, -1], green[:, -1, 0], blue[:, 0, 0], 2 * blue[:, -1, 0]], 1)
    assert ends.min() < 0.1 < 0.9 < ends.max() <= 1
    assert ends.std(0).min() > 0.2
    assert torch.corrcoef(ends.T).fill_diagonal_(0).abs().max() < 0.4, "drawn one by one"


def test_white_is_white() -> None:
    assert torch.equal(noise_start("white", SEEDS, 4, 5), torch.ones(3, 3, 4, 5))


def test_an_unknown_kind() -> None:
    with pytest.raises(UserError, match="unknown kind of noise 'perlen'; did you mean 'perlin'"):
        noise_start("perlen", SEEDS, 4, 4)


def test_a_vqgan_encodes_it_for_each_picture_as_for_one_alone() -> None:
    generator = registry.create("vqgan", 16, 24, "adam", build(taming(), "random weights"))
    pictures = noise_start("perlin", SEEDS, 16, 24)
    codes = generator.init_from(pictures)["z"]
    assert not torch.equal(codes[0], codes[1])
    for row in range(len(SEEDS)):
        assert torch.equal(generator.init_from(pictures[row : row + 1])["z"][0], codes[row])


@pytest.mark.parametrize("name", ["pixels", "stack", "fourier", "vae", "siren"])
def test_generators_take_it(name: str) -> None:
    generator = registry.create(name, 32, 32, "adam")
    pictures = noise_start("gradient", SEEDS, 32, 32)
    with torch.no_grad():
        drawn = generator(generator.init_from(pictures))
    near = {"vae": 0.3, "siren": 0.1}.get(name, 2e-3)
    assert float((drawn - pictures).abs().mean()) < near
