"""Constraints that pull a frame to a changed version of itself: blurred, bordered, stretched, noisy."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fastclipgen.guidance.filtering import gaussian_blur, painted_border
from fastclipgen.guidance.frame_constraints.base import FrameConstraint, Manner
from fastclipgen.guidance.frame_constraints.thresholds import KERNEL
from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.recipes.options import numbers
from fastclipgen.recipes.variables import CONSTRAINT

_FLAT = 1e-4  # a channel whose values lie closer together has no range to stretch; a grey level is 4e-3


class Blur(FrameConstraint):
    name = "blur"
    help = "Pulls the picture to a blurred version of itself: smooths it. Adds 100 times the loss, a mean over pixels."
    options: ClassVar = KERNEL
    example: ClassVar = {"kernel_size": 5, "sigma": 0.5, "weight": 2}

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        return _apart(frames, gaussian_blur(frames, values["kernel_size"], values["sigma"]), manner, 100.0)


class Border(FrameConstraint):
    name = "border"
    help = "Pulls the outer rows and columns to a colour. Adds 100 times the loss, a mean over all pixels."
    options: ClassVar = {
        "size": numbers(
            "width of the columns at the left and right, height of the rows at the top and bottom, in pixels of the "
            "frame as CLIP sees it",
            1,
            (2,),
            whole=True,
            groups=CONSTRAINT,
        ),
        "color": numbers("red, green and blue of the border, 0..1", 0.0, (3,), groups=CONSTRAINT),
    }
    example: ClassVar = {"size": 8, "color": "1 .9 .8"}

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        return _apart(frames, painted_border(frames, values["size"], values["color"]), manner, 100.0)


class Normalize(FrameConstraint):
    name = "normalize"
    help = (
        "Pulls each channel to itself stretched so that its darkest pixel is at min and its lightest at max. Adds 10 "
        "times the loss, a mean over pixels."
    )
    options: ClassVar = {
        "min": numbers("where the darkest pixel of red, green and blue should be, 0..1", 0.0, (3,), groups=CONSTRAINT),
        "max": numbers("where the lightest pixel of red, green and blue should be, 0..1", 1.0, (3,), groups=CONSTRAINT),
    }
    example: ClassVar = {"min": 0.1, "max": 0.9}

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        low, high = frames.amin((3, 4), keepdim=True), frames.amax((3, 4), keepdim=True)
        lowest, highest = (values[name][..., None, None] for name in ("min", "max"))
        span = high - low
        stretched = lowest + (frames - low) / torch.where(span > _FLAT, span, 1.0) * (highest - lowest)
        return _apart(frames, stretched, manner, 10.0)


class Noise(FrameConstraint):
    name = "noise"
    help = (
        "Pulls the picture to itself with fresh noise on it at every step, which keeps it moving. Adds 100 times the "
        "loss, a mean over pixels. In CLIPig's code, and here with compat: clipig, it moves nothing, since what it "
        "pulls to follows the picture."
    )
    options: ClassVar = {
        "std": numbers("deviation of the noise in red, green and blue, 0..1", lengths=(3,), groups=CONSTRAINT)
    }
    example: ClassVar = {"std": 0.1}

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        noise = draws.normal(*frames.shape[2:]) * values["std"][..., None, None]
        return _apart(frames, (frames if manner.drift else frames.detach()) + noise, manner, 100.0)


def _apart(frames: Tensor, wanted: Tensor, manner: Manner, factor: float) -> Tensor:
    """[B, N] of two sets of frames."""
    return factor * manner.cost(frames - wanted).mean((2, 3, 4))
