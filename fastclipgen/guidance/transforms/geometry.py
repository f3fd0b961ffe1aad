"""What transforms that only move pixels have in common: besides being applied they say where each pixel comes from.

So a run of them can be drawn in one reading of the picture (collapse.py). Here are also the batched readings that more
than one of them needs.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.guidance.transforms.base import Draws, Transform, Values
from fastclipgen.guidance.transforms.places import Places
from fastclipgen.ops.cutout_warp import sample_by_grid


class Stage(NamedTuple):
    """One geometric transform at one step, for frames of one size.

    height, width: of its result. bounded: its result also shows what lies around the frame that it is given, which is
    `fill`, float [B or 1, 3], or black for None; without, it never looks there by more than half a pixel.
    wraps: around the frame lies the frame again and again.
    shrink: how many pixels of the frame one of the result is wide and high, as far as sizes decide it; scales: numbers
    on the device decide it too.
    """

    places: Places
    height: int
    width: int
    bounded: bool = False
    fill: Tensor | None = None
    wraps: bool = False
    shrink: tuple[float, float] = (1.0, 1.0)
    scales: bool = False


class Geometric(Transform):
    """A transform that only moves pixels.

    copies: sizes alone decide which pixel goes where, and none is mixed of several. samples: pixels are mixed of
    their neighbours by a map that differs from picture to picture.
    """

    copies: ClassVar[bool] = False
    samples: ClassVar[bool] = False

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage | None:
        """The same as `apply` to frames of height x width pixels, or None where it is no map of places."""
        raise NotImplementedError


def sampled(frames: Tensor, places: Places) -> Tensor:
    """frames [B, N or 1, 3, H, W] -> [B, N, 3, H, W] read bilinearly at these places; black outside."""
    batch, _, _, height, width = frames.shape
    count = max(frames.shape[1], places.frames)
    x, y = places.at(height, width, frames.device)
    points = torch.stack(torch.broadcast_tensors(x, y), dim=-1).to(frames.dtype)  # [B or 1, N or 1, H, W, 2]
    points = points.expand(batch, count, -1, -1, -1).flatten(0, 1)
    pictures = frames.expand(-1, count, -1, -1, -1).flatten(0, 1)
    return sample_by_grid(pictures, points, "zeros").unflatten(0, (batch, count))


def taken(frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """frames [B, N or 1, 3, H, W] read at int64 rows [B or 1, N or 1, h] and columns [B or 1, N or 1, w], which are
    inside -> [B, N, 3, h, w]. No index comes twice in a row, so that the backward adds nothing up."""
    batch, count = frames.shape[0], max(frames.shape[1], rows.shape[1], columns.shape[1])
    frames = frames.expand(-1, count, -1, -1, -1)
    shape = (batch, count, 3, rows.shape[-1], frames.shape[-1])
    frames = frames.gather(3, rows[:, :, None, :, None].expand(shape))
    return frames.gather(4, columns[:, :, None, None, :].expand(*shape[:4], columns.shape[-1]))


def tiled(frames: Tensor, down: int, across: int) -> Tensor:
    """So many copies of each frame below and beside one another. Joined: the backward of `repeat` is far slower."""
    return torch.cat([torch.cat([frames] * across, dim=-1)] * down, dim=-2)


def resized(frames: Tensor, height: int, width: int, mode: str) -> Tensor:
    """frames [B, N, 3, H, W] -> [B, N, 3, height, width]; mode "bilinear" or "bicubic", antialiased where it makes
    smaller."""
    if frames.shape[-2:] == (height, width):
        return frames
    if frames.is_cuda and torch.are_deterministic_algorithms_enabled():
        # the backward of torch's antialiased resizing adds atomically; two matrix products do not
        down = _weights(frames, frames.shape[-2], height, mode)
        across = _weights(frames, frames.shape[-1], width, mode)
        return down @ frames @ across.mT
    flat = functional.interpolate(frames.flatten(0, 1), (height, width), mode=mode, antialias=True)
    return flat.unflatten(0, frames.shape[:2])


def _weights(like: Tensor, length: int, size: int, mode: str) -> Tensor:
    """[size, length]: the resizing of one axis, which resizing the unit matrix gives."""
    unit = torch.eye(length, dtype=like.dtype, device=like.device)[None, None]
    return functional.interpolate(unit, (size, length), mode=mode, antialias=True)[0, 0]


def span(low_high: Tensor, uniform: Tensor) -> Tensor:
    """Uniform numbers between two: low_high [B or 1, 2], uniform [B, N] -> [B, N]."""
    low, high = low_high[:, :1], low_high[:, 1:]
    return low + (high - low) * uniform
