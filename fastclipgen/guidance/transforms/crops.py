"""Parts of frames: a fixed one, the middle, a random one. Whole pixels, nothing is mixed."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.guidance.transforms.geometry import Geometric, Stage, taken
from fastclipgen.guidance.transforms.places import moved
from fastclipgen.recipes.options import numbers

_SIZE = "width and height in pixels"


class Crop(Geometric):
    name = "crop"
    help = "A part of the picture. What would lie outside of it is left out, and one pixel is the least."
    options: ClassVar = {
        "xywh": numbers(
            "left, top, width and height: below 1 a fraction of the picture's width or height, from 1 on pixels",
            lengths=(4,),
            shape=True,
        )
    }
    example: ClassVar = {"xywh": [0.25, 0.25, 0.5, 0.5]}
    resizes = True
    copies = True

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        left, top, wide, tall = _box(height, width, values)
        return Stage(moved(float(left), float(top)), tall, wide)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        height, width = frames.shape[-2:]
        left, top, wide, tall = _box(height, width, values)
        return frames[..., top : top + tall, left : left + wide]


class CenterCrop(Geometric):
    name = "center_crop"
    help = (
        "The middle of the picture; where the picture is smaller, black lies around it. With compat the two numbers "
        "are height and width."
    )
    options: ClassVar = {"size": numbers(_SIZE, lengths=(2,), whole=True, shape=True)}
    example: ClassVar = {"size": [16, 12]}
    resizes = True
    copies = True

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        wide, tall = _size(values)
        places = moved(float(_middle(width, wide)), float(_middle(height, tall)))
        return Stage(places, tall, wide, bounded=wide > width or tall > height)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        wide, tall = _size(values)
        height, width = frames.shape[-2:]
        left, top = _middle(width, wide), _middle(height, tall)
        # negative padding crops
        return functional.pad(frames, (-left, left + wide - width, -top, top + tall - height))


class RandomCrop(Geometric):
    name = "random_crop"
    help = (
        "A part of each frame at a place of its own, every whole-pixel place alike; where the picture is smaller, it "
        "is in the middle with black around it. With compat the two numbers are height and width."
    )
    options: ClassVar = {"size": numbers(_SIZE, lengths=(2,), whole=True, shape=True)}
    example: ClassVar = {"size": [16, 12]}
    random = True
    resizes = True

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        wide, tall = _size(values)
        left, top = _corner(height, width, values, draws)
        return Stage(moved(left, top), tall, wide, bounded=wide > width or tall > height)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        wide, tall = _size(values)
        height, width = frames.shape[-2:]
        left, top = _corner(height, width, values, draws)
        # black around what is too small, as far as its negative corner goes
        before_x, before_y = max(0, -_middle(width, wide)), max(0, -_middle(height, tall))
        after_x, after_y = max(0, wide - width - before_x), max(0, tall - height - before_y)
        frames = functional.pad(frames, (before_x, after_x, before_y, after_y))
        rows = top[..., None].to(torch.int64) + before_y + torch.arange(tall, device=frames.device)
        columns = left[..., None].to(torch.int64) + before_x + torch.arange(wide, device=frames.device)
        return taken(frames, rows, columns)


def _box(height: int, width: int, values: Values) -> tuple[int, int, int, int]:
    """Left, top, width and height in pixels, inside the picture."""
    lengths = (width, height, width, height)
    left, top, wide, tall = (
        int(v * length) if v < 1 else int(v) for v, length in zip(values["xywh"], lengths, strict=True)
    )
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return left, top, min(max(wide, 1), width - left), min(max(tall, 1), height - top)


def _size(values: Values) -> tuple[int, int]:
    """Width and height, one pixel or more."""
    first, second = (max(1, int(length)) for length in values["size"])
    return (second, first) if values.get("compat") else (first, second)


def _middle(length: int, part: int) -> int:
    """Where the middle `part` pixels of `length` begin; negative by what has to come before them."""
    return round((length - part) / 2) if part <= length else -((part - length) // 2)


def _corner(height: int, width: int, values: Values, draws: Draws) -> tuple[Tensor, Tensor]:
    """Left and top of each frame's crop, whole numbers, float32 [B, N]."""
    (wide, tall), (x, y) = _size(values), draws.uniform(2).unbind(-1)
    return _begin(x, width, wide), _begin(y, height, tall)


def _begin(uniform: Tensor, length: int, part: int) -> Tensor:
    if part > length:
        return torch.full_like(uniform, _middle(length, part))
    # rounding may bring the product up to the count
    return torch.floor(uniform * (length - part + 1)).clamp_max(length - part)
