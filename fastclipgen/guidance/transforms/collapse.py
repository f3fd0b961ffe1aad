"""A run of geometric transforms as one reading of the picture: their maps composed, drawn by one cutouts call.

Step by step every stage reads the result of the one before, at its size and once per frame, and mixes neighbours once
more. Here every pixel of the last result is read from the picture that the run began with (mip levels, so that what
becomes smaller is averaged), and what some stage would have shown of the outside of its frame is a cover over that.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import per_channel
from fastclipgen.guidance.transforms.geometry import Stage, tiled
from fastclipgen.guidance.transforms.places import STILL, Places
from fastclipgen.ops.cutouts import CutoutParams, CutoutSpec, cutouts

_RANGE = 4.0  # by how much numbers on the device may make a picture smaller or larger before mip levels run out
_UNEVEN = 2.0  # mip levels average alike across and down; a picture squeezed by more than this is resized on its own


class Step(NamedTuple):
    """A stage that reads frames of height x width pixels. active: bool [B or 1], or None for always."""

    stage: Stage
    height: int
    width: int
    active: Tensor | None

    @property
    def places(self) -> Places:
        return self.stage.places if self.active is None else self.stage.places.where(self.active)


def joins(stage: Stage, steps: list[Step], frames: Tensor) -> bool:
    """Whether a stage may go on with a run of steps that began with these frames [B, N, 3, H, W].

    What repeats its frame can only be read in the picture while all before it does so too, in whole pictures. And what
    was made smaller must not be made larger again as if nothing were lost.
    """
    if not steps:
        return True
    if stage.wraps:
        last, (height, width) = steps[-1].stage, frames.shape[-2:]
        return all(step.stage.wraps for step in steps) and last.height % height == 0 and last.width % width == 0
    before = _shrunk(steps)
    x, y = before[0] * stage.shrink[0], before[1] * stage.shrink[1]
    enlarges = min(stage.shrink) < 1.0 and max(before) > 1.0
    return not enlarges and max(x, y) <= _UNEVEN * min(x, y)


def collapsed(frames: Tensor, steps: list[Step], deterministic: bool) -> Tensor:
    """The result of all steps: frames [B, N or 1, 3, H, W] -> [B, N, 3, h, w], float32 or float64, not clamped."""
    last = steps[-1].stage
    places, cover, around = STILL, None, None
    for step in reversed(steps):
        places = step.places.then(places)
        if step.stage.bounded:
            seen = _seen(step, places, last, frames.device)
            if step.stage.fill is not None:
                left = 1.0 if cover is None else cover
                shown = per_channel(step.stage.fill) * (left * (1.0 - seen))[:, :, None]
                around = shown if around is None else around + shown
            cover = seen if cover is None else cover * seen
    wraps = [step for step in steps if step.stage.wraps]
    if wraps:
        frames, places = _tiled(frames, wraps, places)
    square = _drawn(frames, places, steps, max(last.height, last.width), deterministic)
    result = square[..., : last.height, : last.width]
    if cover is not None:
        result = result * cover[:, :, None].to(result.dtype)
    return result if around is None else result + around.to(result.dtype)


def _seen(step: Step, places: Places, last: Stage, device: torch.device) -> Tensor:
    """How much of each pixel of the result lies in the step's frame: float32 [B or 1, N or 1, h, w] in 0..1.

    As bilinear reading with black around the frame has it, over as many pixels as one of the result is wide.
    """
    x, y = places.at(last.height, last.width, device)
    wide = places.footprint()
    wide = wide[:, :, None, None] if isinstance(wide, Tensor) else wide
    across = (torch.minimum(x, step.width - x) / wide + 0.5).clamp(0.0, 1.0)
    down = (torch.minimum(y, step.height - y) / wide + 0.5).clamp(0.0, 1.0)
    seen = across * down
    return seen if step.active is None else torch.where(step.active[:, None, None, None], seen, 1.0)


def _tiled(frames: Tensor, wraps: list[Step], places: Places) -> tuple[Tensor, Places]:
    """As many copies of the frames as the repeating stages at the run's beginning read, and the places in them."""
    height, width = frames.shape[-2:]
    last = wraps[-1].stage
    start = reduce(Places.then, (step.places for step in wraps))
    x, y = (plane - plane % length for plane, length in ((start.x0, width), (start.y0, height)))  # whole copies
    places = places._replace(x0=places.x0 - x, y0=places.y0 - y)
    down, across = -(-last.height // height) + 1, -(-last.width // width) + 1
    return tiled(frames, down, across), places


def _drawn(frames: Tensor, places: Places, steps: list[Step], side: int, deterministic: bool) -> Tensor:
    """frames [B, N or 1, 3, H, W] read at these places: [B, N, 3, side, side]."""
    batch, given, _, height, width = frames.shape
    count = max(given, places.frames)
    pictures = frames.flatten(0, 1)
    views = count if given == 1 else 1  # frames that are pictures of their own have one view each
    matrix = places.matrix(batch, count, frames.device).reshape(len(pictures), views, 3, 3)
    across, down = _shrunk(steps)
    shrunk = math.sqrt(across * down)
    spread = _RANGE if any(step.stage.scales for step in steps) else 1.0
    unit = side / min(height, width)
    neutral = torch.ones(len(pictures), views, 4, device=frames.device)
    neutral[..., 3] = 0.0
    params = CutoutParams(
        matrix=matrix,
        colour=neutral,
        erase=torch.zeros_like(neutral),
        noise_scale=torch.zeros_like(neutral[..., 0]),
        seeds=torch.zeros(len(pictures), dtype=torch.int64, device=frames.device),
        step=0,
        spec=_spec(shrunk * unit / spread, shrunk * unit * spread),
        height=height,
        width=width,
        size=side,
    )
    drawn = cutouts(pictures, params, side, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), frames.dtype, deterministic)
    return drawn.unflatten(0, (batch, count))


def _spec(least: float, most: float) -> CutoutSpec:
    """Views turned at will that show squares of these fractions of a picture's short side: what mip levels go by."""
    low, high = (min(max(fraction, 1e-3), 16.0) for fraction in (least, most))
    return CutoutSpec(crop=(low, high), rotation=180.0, padding="border")


def _shrunk(steps: list[Step]) -> tuple[float, float]:
    """How many pixels of the run's first frames one of its result is wide and high, as far as sizes decide it."""
    x = y = 1.0
    for step in steps:
        x, y = x * step.stage.shrink[0], y * step.stage.shrink[1]
    return x, y
