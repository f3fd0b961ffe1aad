"""Any list of transforms applied to the pictures of a step, and the resize to the perceptor's size that ends it.

Runs of geometric transforms are collapsed (collapse.py); everything else is applied in the written order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws, Transform, Values
from fastclipgen.guidance.transforms.collapse import Step, collapsed, joins
from fastclipgen.guidance.transforms.geometry import Geometric, resized
from fastclipgen.guidance.transforms.sizes import resizing
from fastclipgen.ops.colour import to_unit_range


class Link(NamedTuple):
    """One transform at one step. active: bool [B or 1], whether it applies, or None for always; one that `resizes`
    either applies to all pictures or is no link at all, which the caller knows from the step's number."""

    transform: Transform
    values: Values
    draws: Draws
    active: Tensor | None = None


def run_chain(images: Tensor, links: Sequence[Link], size: int, deterministic: bool = False) -> Tensor:
    """What a perceptor is shown of each picture, before its normalisation: [B, N, 3, size, size] in 0..1.

    images: float32 or float64 [B, 3, H, W]. N is 1 while nothing random was among the links, and the `frames` of their
    draws after that. The last resize is bicubic, with a low-pass where it makes smaller, as a part of a collapsed run
    by mip levels. deterministic: the backward adds in a fixed order on every device, as `cutouts` has it.
    Compiles to one graph that depends on sizes, on the words and on which links there are, not on numbers or activity.
    """
    chain = _Chain(images[:, None], deterministic)
    for link in links:
        chain.add(link)
    return to_unit_range(chain.finished(size))


class _Chain:
    """frames [B, N, 3, H, W], and the links of a run that is still to be drawn of them."""

    def __init__(self, frames: Tensor, deterministic: bool) -> None:
        self._frames, self._deterministic = frames, deterministic
        self._run: list[tuple[Link, Step]] = []

    def add(self, link: Link) -> None:
        if self._joins(link):
            return
        self._draw()
        if not self._joins(link):  # a run of its own
            self._frames = _applied(self._frames, link)

    def _joins(self, link: Link) -> bool:
        """Makes the link a part of the run where that can be."""
        transform = link.transform
        # what only copies frames as they are costs little, and reading through it gains nothing
        if not isinstance(transform, Geometric) or (transform.copies and not self._run):
            return False
        height, width = self._size
        stage = transform.stage(height, width, link.values, link.draws)
        if stage is None or not joins(stage, self._steps, self._frames):
            return False
        self._run.append((link, Step(stage, height, width, link.active)))
        return True

    def finished(self, size: int) -> Tensor:
        """The frames after the last link, resized to size x size."""
        height, width = self._size
        last = resizing(height, width, size, size)
        shrinks = (height, width) != (size, size) and min(last.shrink) >= 1.0
        if self._run and shrinks and joins(last, self._steps, self._frames):
            return collapsed(self._frames, [*self._steps, Step(last, height, width, None)], self._deterministic)
        return resized(self.drawn(), size, size, "bicubic")

    def drawn(self) -> Tensor:
        """The frames after the last link, in their own size and not clamped."""
        self._draw()
        return self._frames

    @property
    def _steps(self) -> list[Step]:
        return [step for _, step in self._run]

    @property
    def _size(self) -> tuple[int, int]:
        if self._run:
            last = self._run[-1][1].stage
            return last.height, last.width
        return self._frames.shape[-2], self._frames.shape[-1]

    def _draw(self) -> None:
        """Draws the run, if there is one, and ends it."""
        if not self._run:
            return
        link, _ = self._run[0]
        alone = len(self._run) == 1 and isinstance(link.transform, Geometric) and not link.transform.samples
        steps, self._run = self._steps, []
        if alone:
            self._frames = _applied(self._frames, link)
        else:
            self._frames = collapsed(self._frames, steps, self._deterministic)


def _applied(frames: Tensor, link: Link) -> Tensor:
    result = link.transform.apply(frames, link.values, link.draws)
    if link.active is None:
        return result
    return torch.where(link.active[:, None, None, None, None], result, frames)
