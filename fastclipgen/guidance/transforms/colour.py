"""Transforms of each pixel's colour, alone or against the means of its frame."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws, Transform, Values, per_channel, per_picture
from fastclipgen.ops.colour import to_unit_range
from fastclipgen.recipes.options import numbers


class Add(Transform):
    name = "add"
    help = "Adds a colour to every pixel."
    options: ClassVar = {"color": numbers("what is added to red, green and blue", lengths=(3,))}
    example: ClassVar = {"color": [0.1, 0, "-.1 * t"]}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return frames + per_channel(values["color"])


class Mul(Transform):
    name = "mul"
    help = "Multiplies every pixel by a colour."
    options: ClassVar = {"color": numbers("what red, green and blue are multiplied by", lengths=(3,))}
    example: ClassVar = {"color": "1./5."}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return frames * per_channel(values["color"])


class Mean(Transform):
    name = "mean"
    help = "Makes a frame brighter or darker as a whole, channel by channel, until its means are as asked for."
    options: ClassVar = {"mean": numbers("the means of red, green and blue, 0..1", lengths=(3,))}
    example: ClassVar = {"mean": 0.33}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return frames + (per_channel(values["mean"]) - frames.mean((3, 4), keepdim=True))


class Clamp(Transform):
    name = "clamp"
    help = "Limits all values to a range; what lies outside has no gradient."
    options: ClassVar = {"range": numbers("the least and the greatest value", lengths=(2,))}
    example: ClassVar = {"range": [0.2, 0.8]}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        low, high = (per_picture(limit) for limit in values["range"].unbind(1))
        # Not torch.clamp: a pixel right at a limit keeps its gradient, as with ops.colour.to_unit_range.
        raised = torch.where(frames < low, low, frames)
        return torch.where(raised > high, high, raised).to(frames.dtype)


class Quantize(Transform):
    """The gradient goes straight through, as if nothing had been rounded; compat: there is none, as in CLIPig, whose
    targets with this transform learn nothing."""

    name = "quantize"
    help = "Rounds every value down to a multiple of a step; 0 leaves a channel as it is."
    options: ClassVar = {"step": numbers("the distance of the levels of red, green and blue", lengths=(3,))}
    example: ClassVar = {"step": "1 / 8"}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        step = per_channel(values["step"])
        some = step != 0
        levels = torch.floor(frames.detach() / torch.where(some, step, 1.0)) * step
        through = torch.zeros_like(frames) if values.get("compat", False) else frames - frames.detach()
        return torch.where(some, levels + through, frames)


class Saturation(Transform):
    name = "saturation"
    help = "Blends a frame with its grey version, within 0..1."
    options: ClassVar = {"factor": numbers("0 is grey, 1 as it is, more is more colourful", 1.0)}
    example: ClassVar = {"factor": "2 - t"}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return _away_from(_grey(frames), frames, values["factor"])


class Contrast(Transform):
    name = "contrast"
    help = "Blends a frame with the mean of its grey version, within 0..1."
    options: ClassVar = {"factor": numbers("0 is flat grey, 1 as it is, more is more contrast", 1.0)}
    example: ClassVar = {"factor": 1.5}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return _away_from(_grey(frames).mean((3, 4), keepdim=True), frames, values["factor"])


def _grey(frames: Tensor) -> Tensor:
    """[B, N, 3, H, W] -> the luma [B, N, 1, H, W], with the weights of torchvision, which CLIPig uses."""
    red, green, blue = frames.split(1, 2)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def _away_from(centre: Tensor, frames: Tensor, factor: Tensor) -> Tensor:
    """`factor` times as far from the centre as the frames are, within 0..1."""
    share = per_picture(factor)
    return to_unit_range(share * frames + (1 - share) * centre)
