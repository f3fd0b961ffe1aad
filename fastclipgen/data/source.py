"""Where a training gets its pictures: anything that has picture `place` of step `step`, however often it is asked.

So a step is the same whatever was drawn before it, and whichever of several processes draws its share of it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.errors import unknown

SOURCES = ("shapes",)


class Source(Protocol):
    """Square pictures of `size` pixels; the numbers of steps and places decide which."""

    @property
    def size(self) -> int: ...

    def batch(self, step: int, places: range) -> Tensor:
        """The pictures at these places (from 0) of the batch of a step, uint8 [n, 3, S, S]."""
        ...

    def held_out(self, count: int) -> Tensor:
        """Up to `count` pictures that no step trains on, always the same, uint8 [n, 3, S, S]."""
        ...


class ShapesSource:
    """The shapes world: a new scene for every place of every step."""

    def __init__(self, size: int, seed: int, batch: int) -> None:
        self.size, self._pictures = size, batch
        self._data, self._held_out = ShapesDataset(seed, size), ShapesDataset(HELD_OUT_SEED, size)

    def batch(self, step: int, places: range) -> Tensor:
        return _bytes(self._data.images(step * self._pictures + np.asarray(places)))

    def held_out(self, count: int) -> Tensor:
        return _bytes(self._held_out.images(np.arange(count)))


def open_source(text: str, size: int, seed: int, batch: int) -> Source:
    """The source that `--data` names. size: of the pictures' sides; seed: of their order; batch: pictures a step.
    Raises UserError for a name that is none."""
    if text == "shapes":
        return ShapesSource(size, seed, batch)
    raise unknown("data", text, SOURCES)


def _bytes(images: np.ndarray) -> Tensor:
    """float [n, S, S, 3] in 0..1 -> uint8 [n, 3, S, S]."""
    return torch.from_numpy(np.rint(images.clip(0, 1) * 255).astype(np.uint8)).permute(0, 3, 1, 2)
