"""The four noises: how strong they are, in what they agree, and where they stay apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws
from fastclipgen.guidance.transforms.registry import TRANSFORMS

from .stepping import draws, values_at

NOISES = ("noise", "bwnoise", "rnoise", "fnoise")


def added(name: str, height: int, width: int, frames: int = 1, seeds: tuple[int, ...] = (7,), **given: Any) -> Tensor:
    """What a noise adds to black pictures: [B, frames, 3, H, W]."""
    black, drawn = torch.zeros(len(seeds), 1, 3, height, width), Draws(torch.tensor(seeds), 0, frames, place=1)
    return TRANSFORMS[name].apply(black, values_at(TRANSFORMS[name], given), drawn)


def test_noise_is_of_each_value() -> None:
    noise = added("noise", 64, 64, std=[0.1, 0.2, 0])[0, 0]
    assert noise.std((1, 2)).tolist() == pytest.approx([0.1, 0.2, 0], rel=0.05)
    assert noise.mean((1, 2)).abs().max() < 0.01
    assert abs(np.corrcoef(noise[0].flatten(), noise[1].flatten())[0, 1]) < 0.05
    torch.testing.assert_close(noise[0], 0.1 * draws().normal(3, 64, 64)[0, 0, 0])


def test_bwnoise_is_grey() -> None:
    noise = added("bwnoise", 64, 64, std=0.3)[0, 0]
    assert torch.equal(noise[0], noise[1])
    assert torch.equal(noise[0], noise[2])
    assert float(noise[0].std()) == pytest.approx(0.3, rel=0.05)


def test_rnoise_is_coarse() -> None:
    left, right = draws().normal(3, 1, 2)[0, 0].unbind(-1)  # [3, 1] each
    noise = added("rnoise", 2, 4, std=[0.1, 0.2, 1], resolution=[2, 1])[0, 0]
    line = torch.cat((left, 0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right, right), 1)
    expected = torch.tensor([0.1, 0.2, 1])[:, None, None] * line[:, None].expand(-1, 2, -1)
    torch.testing.assert_close(noise, expected)
    flat = added("rnoise", 5, 4, std=1, resolution=0)[0, 0]  # no fewer than one
    torch.testing.assert_close(flat, draws().normal(3, 1, 1)[0, 0].expand(3, 5, 4))


@pytest.mark.parametrize(("height", "width"), [(96, 96), (63, 91), (1, 1)])
def test_fnoise_in_the_frequencies(height: int, width: int) -> None:
    noise = added("fnoise", height, width, std=[0.1, 0.2, 0.4], frames=8)[0].flatten(2).numpy()
    assert np.isfinite(noise).all()
    frequencies = np.fft.rfft(noise)[..., 1:-1]  # without those that have no imaginary part
    for channel, std in enumerate((0.1, 0.2, 0.4) if frequencies.size else ()):
        parts = frequencies[:, channel]
        assert parts.real.std() == pytest.approx(15 * std, rel=0.03)
        assert parts.imag.std() == pytest.approx(15 * std, rel=0.03)


def test_fnoise_is_as_strong_as_noise_through_the_transforms() -> None:
    length, std = 64 * 64, 0.2
    source = np.random.default_rng(1)
    parts = source.normal(size=(2, length // 2 + 1)) * 15 * std
    through = np.fft.irfft(parts[0] + 1j * parts[1], n=length)
    assert float(added("fnoise", 64, 64, std=std).std()) == pytest.approx(through.std(), rel=0.04)


@pytest.mark.parametrize("name", NOISES)
def test_frames_are_drawn_apart_and_however_many_there_are(name: str) -> None:
    transform = TRANSFORMS[name]
    few = added(name, 6, 5, frames=2, seeds=(1, 2), **transform.example)
    many = added(name, 6, 5, frames=4, seeds=(2, 1), **transform.example)
    torch.testing.assert_close(many[:, :2].flip(0), few)
    planes = many.flatten(0, 1).flatten(1)
    assert len({tuple(plane) for plane in planes.tolist()}) == 8


@pytest.mark.parametrize("name", NOISES)
def test_it_is_added_to_what_is_there(name: str) -> None:
    transform, there = TRANSFORMS[name], torch.rand(1, 2, 3, 6, 5, generator=torch.Generator().manual_seed(3))
    values = values_at(transform, transform.example)
    result = transform.apply(there, values, draws(1, 2))
    torch.testing.assert_close(result - there, added(name, 6, 5, frames=2, **transform.example), rtol=0, atol=1e-6)
