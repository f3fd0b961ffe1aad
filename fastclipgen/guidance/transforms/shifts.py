"""Frames moved by whole pixels where what leaves on one side comes in on the other."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.guidance.transforms.geometry import Geometric, Stage, span, taken
from fastclipgen.guidance.transforms.places import moved
from fastclipgen.recipes.options import numbers


class _Shifted(Geometric):
    """A transform that moves frames around by whole pixels."""

    def offset(self, height: int, width: int, values: Values, draws: Draws) -> tuple[Tensor, Tensor]:
        """To the right and down, whole numbers, float32 [B or 1, N or 1]."""
        raise NotImplementedError

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        x, y = self.offset(height, width, values, draws)
        # kept below one turn, so that float32 stays exact in what follows
        return Stage(moved(torch.remainder(-x, width), torch.remainder(-y, height)), height, width, wraps=True)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        height, width = frames.shape[-2:]
        x, y = self.offset(height, width, values, draws)
        return taken(frames, _turned(y, height), _turned(x, width))


class Shift(_Shifted):
    name = "shift"
    help = (
        "Moves the picture to the right and down by whole pixels (cut off towards 0); what leaves on one side comes in "
        "on the other."
    )
    options: ClassVar = {
        "offset": numbers("x and y: between -1 and 1 a fraction of width or height, else pixels", lengths=(2,)),
    }
    example: ClassVar = {"offset": [0.25, -3]}

    def offset(self, height: int, width: int, values: Values, draws: Draws) -> tuple[Tensor, Tensor]:
        x, y = values["offset"][:, :1], values["offset"][:, 1:]
        return _pixels(x, width), _pixels(y, height)


class RandomShift(_Shifted):
    name = "random_shift"
    help = (
        "Moves each frame to the right and down by whole pixels of its own; what leaves on one side comes in on the "
        "other. A range within -1..1 is one of fractions of the size, any other of pixels; with compat each number "
        "drawn is a fraction if it lies between -1 and 1, and else pixels."
    )
    options: ClassVar = {
        "offset": numbers(
            "smallest and largest offset of both axes, or first those of x, then those of y", lengths=(2, 4)
        )
    }
    example: ClassVar = {"offset": [-1, 1]}
    random = True

    def offset(self, height: int, width: int, values: Values, draws: Draws) -> tuple[Tensor, Tensor]:
        x, y = draws.uniform(2).unbind(-1)
        compat = bool(values.get("compat"))
        ranges = values["offset"]
        return _drawn(ranges[:, :2], x, width, compat), _drawn(ranges[:, -2:], y, height, compat)


def _drawn(low_high: Tensor, uniform: Tensor, length: int, compat: bool) -> Tensor:
    amount = span(low_high, uniform)
    if compat:
        return _pixels(amount, length)
    fractions = (low_high.abs() <= 1.0).all(-1, keepdim=True)
    # floor: every whole number is as likely, 0 too
    return torch.floor(torch.where(fractions, amount * length, amount))


def _pixels(amount: Tensor, length: int) -> Tensor:
    return torch.trunc(torch.where(amount.abs() < 1.0, amount * length, amount))


def _turned(offset: Tensor, length: int) -> Tensor:
    """int64 [B or 1, N or 1, length]: which row or column comes to each place."""
    place = torch.arange(length, device=offset.device)
    return torch.remainder(place - offset.to(torch.int64)[..., None], length)
