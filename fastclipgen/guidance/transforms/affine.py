"""Turns, scales and moves of whole frames, fixed and random; what comes in from outside is black.

CLIPig reads the nearest pixel; here it is a mix of four (bilinear), through which a gradient reaches every pixel.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.guidance.transforms.geometry import Geometric, Stage, sampled, span
from fastclipgen.guidance.transforms.places import Places, Plane, about, moved
from fastclipgen.recipes.options import numbers

_LEAST_SCALE = 1e-3  # a picture of no size would be one pixel seen everywhere


class _Affine(Geometric):
    """A transform that keeps the size and shows black around the frame."""

    samples = True

    def places(self, height: int, width: int, values: Values, draws: Draws) -> Places:
        raise NotImplementedError

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        return Stage(self.places(height, width, values, draws), height, width, bounded=True)

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        height, width = frames.shape[-2:]
        return sampled(frames, self.places(height, width, values, draws))


class Rotate(_Affine):
    name = "rotate"
    help = "Turns the picture counter-clockwise about a centre; what comes in from outside is black."
    options: ClassVar = {
        "degree": numbers("angle in degrees"),
        "center": numbers("x and y of the centre, as fractions of width and height", [0.5, 0.5], (2,)),
    }
    example: ClassVar = {"degree": 30}

    def places(self, height: int, width: int, values: Values, draws: Draws) -> Places:
        centre = values["center"]
        return _turned(values["degree"][:, None], centre[:, :1] * width, centre[:, 1:] * height)


class RandomRotate(_Affine):
    name = "random_rotate"
    help = (
        "Turns each frame counter-clockwise by an angle of its own about a centre of its own, x and y drawn apart; "
        "what comes in from outside is black."
    )
    options: ClassVar = {
        "degree": numbers("smallest and largest angle in degrees", lengths=(2,)),
        "center": numbers("smallest and largest x and y of the centre, fractions of the size", [0.5, 0.5], (2,)),
    }
    example: ClassVar = {"degree": [-10, 10], "center": [0, 1]}
    random = True

    def places(self, height: int, width: int, values: Values, draws: Draws) -> Places:
        angle, x, y = draws.uniform(3).unbind(-1)
        centre = values["center"]
        return _turned(span(values["degree"], angle), span(centre, x) * width, span(centre, y) * height)


class RandomScale(_Affine):
    name = "random_scale"
    help = (
        "Makes what each frame shows larger or smaller about its middle by a factor of its own; around a smaller one "
        "is black. Factors below 0.001 count as that."
    )
    options: ClassVar = {"scale": numbers("smallest and largest factor", lengths=(2,))}
    example: ClassVar = {"scale": [0.5, 1]}
    random = True

    def places(self, height: int, width: int, values: Values, draws: Draws) -> Places:
        inverse = 1.0 / span(values["scale"], draws.uniform(1)[..., 0]).clamp_min(_LEAST_SCALE)
        return about(0.5 * width, 0.5 * height, inverse, 0.0, 0.0, inverse)

    def stage(self, height: int, width: int, values: Values, draws: Draws) -> Stage:
        return super().stage(height, width, values, draws)._replace(scales=True)


class RandomTranslate(_Affine):
    name = "random_translate"
    help = (
        "Moves each frame by whole pixels of its own, up to a fraction of its size either way; what comes in from "
        "outside is black."
    )
    options: ClassVar = {"offset": numbers("largest x and y, as fractions of width and height", lengths=(2,))}
    example: ClassVar = {"offset": [0.1, 0.2]}
    random = True

    def places(self, height: int, width: int, values: Values, draws: Draws) -> Places:
        x, y = (2.0 * draws.uniform(2) - 1.0).unbind(-1)
        offset = values["offset"]
        return moved(-torch.round(x * offset[:, :1] * width), -torch.round(y * offset[:, 1:] * height))


def _turned(degree: Tensor, x: Plane, y: Plane) -> Places:
    """Rows point down, so a result turned counter-clockwise as seen reads through [[cos, -sin], [sin, cos]]."""
    angle = degree * (math.pi / 180.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return about(x, y, cosine, -sine, sine, cosine)
