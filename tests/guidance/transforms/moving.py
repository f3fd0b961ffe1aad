"""What the tests of geometric transforms share: numbered pixels, smooth pictures, values as a step hands them over."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws
from fastclipgen.guidance.transforms.chain import Link
from fastclipgen.guidance.transforms.geometry import Geometric
from fastclipgen.guidance.transforms.registry import TRANSFORMS


def row(*numbers: float) -> Tensor:
    """float32 [1, k]."""
    return torch.tensor([numbers], dtype=torch.float32)


def draws(place: int = 0, frames: int = 1, step: int | Tensor = 0, seeds: tuple[int, ...] = (3,)) -> Draws:
    return Draws(torch.tensor(seeds), step, frames, place)


def numbered(height: int, width: int) -> Tensor:
    """[1, 1, 3, height, width]: every pixel a number of its own, from 1 on, ten thousand more in each channel."""
    channel = torch.arange(1.0, height * width + 1).view(height, width)
    return torch.stack([channel + 10000 * i for i in range(3)])[None, None]


def first(frames: Tensor) -> list[list[float]]:
    """The red numbers of the first frame."""
    return frames[0, 0, 0].tolist()


def geometric(name: str) -> Geometric:
    transform = TRANSFORMS[name]
    assert isinstance(transform, Geometric)
    return transform


def apply(name: str, frames: Tensor, given: Draws | None = None, **values: Any) -> Tensor:
    return geometric(name).apply(frames, values, given or draws())


def link(name: str, place: int = 0, frames: int = 3, active: Tensor | None = None, **values: Any) -> Link:
    return Link(TRANSFORMS[name], values, draws(place, frames, 5, (3, 4)), active)


def smooth(height: int, width: int) -> Tensor:
    """[2, 3, height, width] in 0..1, and as smooth across the seams of its copies."""
    y = torch.arange(height)[:, None] * (2 * math.pi / height)
    x = torch.arange(width) * (2 * math.pi / width)
    waves = torch.stack((torch.sin(x + y), torch.cos(x) * torch.sin(y), torch.sin(2 * y - x)))
    return torch.stack((0.5 + 0.4 * waves, 0.5 + 0.3 * waves.flip(1, 2)))
