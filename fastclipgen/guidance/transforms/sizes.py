"""Other sizes of frames: more around them, copies beside them, all of them larger or smaller."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.guidance.transforms.base import Draws, Values, per_channel
from fastclipgen.guidance.transforms.geometry import Geometric, Stage, resized, tiled
from fastclipgen.guidance.transforms.places import STILL, Places, moved
from fastclipgen.recipes.options import numbers, word


class Pad(Geometric):
    name = "pad"
    help = "Puts columns to the left and right of the picture and rows above and below it; negative counts are 0."
    options: ClassVar = {
        "size": numbers("how many columns on each side, and how many rows", lengths=(2,), whole=True, shape=True),
        "color": numbers("red, green and blue of mode fill", [0.0, 0.0, 0.0], (3,)),
        "mode": word("one colour, the outermost pixels, or the picture again", "fill", ("fill", "edge", "wrap")),
    }
    example: ClassVar = {"size": [4, 4], "color": [1, 1, 1], "mode": "fill"}
    resizes = True
    copies = True

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage | None:
        if values["mode"] == "edge":
            return None
        across, down = _margins(values)
        places, tall, wide = moved(-float(across), -float(down)), height + 2 * down, width + 2 * across
        if values["mode"] == "wrap":
            return Stage(places, tall, wide, wraps=True)
        return Stage(places, tall, wide, bounded=True, fill=values["color"])

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        across, down = _margins(values)
        if values["mode"] == "fill":
            sides = (across, across, down, down)
            outside = 1.0 - functional.pad(torch.ones_like(frames[:1, :1, :1]), sides)  # [1, 1, 1, h, w]
            return functional.pad(frames, sides) + per_channel(values["color"]).to(frames.dtype) * outside
        widened = _edged if values["mode"] == "edge" else _wrapped
        return widened(widened(frames, -1, across), -2, down)


class Repeat(Geometric):
    name = "repeat"
    help = "Puts copies of the picture to its right and below it."
    options: ClassVar = {"count": numbers("how often across, and how often down", lengths=(2,), whole=True, shape=True)}
    example: ClassVar = {"count": [2, 3]}
    resizes = True
    copies = True

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        across, down = (max(1, int(count)) for count in values["count"])
        return Stage(STILL, height * down, width * across, wraps=True)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        across, down = (max(1, int(count)) for count in values["count"])
        return tiled(frames, down, across)


class Resize(Geometric):
    name = "resize"
    help = "Brings the picture to another size, bilinearly, and with a low-pass where it becomes smaller."
    options: ClassVar = {"size": numbers("width and height in pixels", lengths=(2,), whole=True, shape=True)}
    example: ClassVar = {"size": [16, 12]}
    resizes = True

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        wide, tall = (max(1, int(length)) for length in values["size"])
        return resizing(height, width, tall, wide)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        wide, tall = (max(1, int(length)) for length in values["size"])
        return resized(frames, tall, wide, "bilinear")


def resizing(height: int, width: int, tall: int, wide: int) -> Stage:
    """A whole frame of height x width pixels brought to tall x wide."""
    x, y = width / wide, height / tall
    return Stage(Places(x, 0.0, 0.0, 0.0, y, 0.0), tall, wide, shrink=(x, y))


def _margins(values: Values) -> tuple[int, int]:
    across, down = (max(0, int(count)) for count in values["size"])
    return across, down


def _edged(frames: Tensor, axis: int, count: int) -> Tensor:
    """The outermost pixels again on both sides. Joined instead of indexed, whose backward would add atomically."""
    first, last = frames.narrow(axis, 0, 1), frames.narrow(axis, frames.shape[axis] - 1, 1)
    return torch.cat([*[first] * count, frames, *[last] * count], dim=axis)


def _wrapped(frames: Tensor, axis: int, count: int) -> Tensor:
    """The other side's pixels on both sides, over and over where there are too few."""
    length = frames.shape[axis]
    before = -(-count // length)  # whole copies, rounded up
    return torch.cat([frames] * (2 * before + 1), dim=axis).narrow(axis, before * length - count, length + 2 * count)
