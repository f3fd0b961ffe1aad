"""Constraints that keep a number of each channel above or below a threshold: mean, std, saturation, contrast, edges."""

from __future__ import annotations

from collections.abc import Set
from typing import ClassVar

import torch
from torch import Tensor

from fastclipgen.guidance.filtering import gaussian_blur
from fastclipgen.guidance.frame_constraints.base import FrameConstraint, Manner
from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.recipes.options import Option, numbers
from fastclipgen.recipes.variables import CONSTRAINT

_FLAT = 1e-6  # a deviation this small has no slope; a grey level is 4e-3
_STRONG = 0.7  # of the strongest edge: what counts as strong for edge_max
_BOTH: dict[str, Option] = {
    "above": numbers(
        "one number, or one each for red, green and blue: pull up where the value is below it",
        None,
        (3,),
        nullable=True,
        groups=CONSTRAINT,
    ),
    "below": numbers(
        "one number, or one each for red, green and blue: pull down where the value is above it",
        None,
        (3,),
        nullable=True,
        groups=CONSTRAINT,
    ),
}
KERNEL: dict[str, Option] = {
    "kernel_size": numbers(
        "width and height of the blur's window in pixels; an even number counts as the next odd one",
        3,
        (2,),
        whole=True,
        groups=CONSTRAINT,
    ),
    "sigma": numbers(
        "deviations of the blur in x and y, in pixels; left out: 0.3 * ((kernel_size - 1) * 0.5 - 1) + 0.8",
        None,
        (2,),
        nullable=True,
        groups=CONSTRAINT,
    ),
}


class Threshold(FrameConstraint):
    """factor * (loss below `above` + loss above `below`), each a mean over the channels, of the `amount` of a frame."""

    factor: ClassVar[float] = 100.0
    options: ClassVar = _BOTH

    def check(self, given: Set[str]) -> str | None:
        return None if given & _BOTH.keys() else "expected above, below or both, got neither; add one"

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        """[B, N, 3], or [B, N, 1] of all channels together."""
        raise NotImplementedError

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        amount, total = self.amount(frames, values, manner), frames.new_zeros(frames.shape[:2])
        for side, sign in (("above", -1.0), ("below", 1.0)):
            threshold = values[side]
            if threshold is not None:
                apart = sign * (amount - threshold)
                total = total + manner.cost(apart.relu() if manner.hinge else apart).mean(-1)
        return self.factor * total


class Mean(Threshold):
    name = "mean"
    help = (
        "Keeps the mean brightness of each channel, 0..1, above or below a threshold. Adds 100 times the loss of what "
        "is missing, averaged over the channels."
    )
    example: ClassVar = {"above": 0.5}

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        return frames.mean((2, 3, 4))[..., None] if manner.pooled else frames.mean((3, 4))


class Std(Threshold):
    name = "std"
    help = (
        "Keeps the standard deviation of each channel's pixels, 0 (flat) to about 0.5 (half black, half white), above "
        "or below a threshold. Adds 100 times the loss of what is missing, averaged over the channels."
    )
    example: ClassVar = {"below": 0.1}

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        pixels = frames.flatten(2)[:, :, None] if manner.pooled else frames.flatten(3)  # [B, N, 1 or 3, pixels]
        apart = pixels - pixels.mean(-1, keepdim=True)
        variance = apart.square().sum(-1) / max(pixels.shape[-1] - 1, 1)
        return (variance + _FLAT**2).sqrt() - _FLAT


class Saturation(Threshold):
    name = "saturation"
    help = (
        "Keeps the mean distance of each channel from the grey of its pixel, 0 (grey) to about 0.44 (pure colours), "
        "above or below a threshold. Adds 100 times the loss of what is missing, averaged over the channels."
    )
    example: ClassVar = {"below": 0.05}

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        colour = (frames - frames.mean(2, keepdim=True)).abs().mean((3, 4))
        return colour.mean(-1, keepdim=True) if manner.pooled else colour


class Contrast(Threshold):
    name = "contrast"
    help = (
        "Keeps the contrast of each channel above or below a threshold: the mean of the pixels lighter than the "
        "channel's mean less that of the darker ones, 0 (flat) to 1 (black and white). Adds the loss of what is "
        "missing, without a factor, averaged over the channels."
    )
    factor = 1.0
    example: ClassVar = {"above": 0.4}

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        with torch.no_grad():
            mean = frames.mean((3, 4), keepdim=True)
            light, dark = frames > mean, frames < mean
        # Of a flat channel, rounding of the mean alone decides whether pixels are beside it, and on which side.
        sided = light.any(-1).any(-1) & dark.any(-1).any(-1)
        return torch.where(sided, _mean_of(frames, light) - _mean_of(frames, dark), 0.0)


class EdgeMean(Threshold):
    name = "edge_mean"
    help = (
        "Keeps the edges of each channel above or below a threshold: the mean of |blurred - sharp|, 0 (flat or very "
        "smooth) to about 0.1 (busy). Adds 100 times the loss of what is missing, averaged over the channels."
    )
    options: ClassVar = {**_BOTH, **KERNEL}
    example: ClassVar = {"above": 0.02, "kernel_size": 5}

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        return (gaussian_blur(frames, values["kernel_size"], values["sigma"]) - frames).abs().mean((3, 4))


class EdgeMax(Threshold):
    name = "edge_max"
    help = (
        "Keeps the strongest edges of each channel above or below a threshold: the mean of those values of "
        "|blurred - sharp| that are above 0.7 of the largest, by a blur of 5 x 5 pixels. Adds 100 times the loss of "
        "what is missing, averaged over the channels. CLIPig had it until May 2021."
    )
    example: ClassVar = {"below": 0.2}

    def amount(self, frames: Tensor, values: Values, manner: Manner) -> Tensor:
        edges = (gaussian_blur(frames, torch.full((1, 1, 2), 5.0, device=frames.device)) - frames).abs()
        with torch.no_grad():
            strong = edges > _STRONG * edges.amax((3, 4), keepdim=True)
        return _mean_of(edges, strong)


def _mean_of(frames: Tensor, chosen: Tensor) -> Tensor:
    """[B, N, 3] of the chosen pixels of each channel; 0 where there are none."""
    return torch.where(chosen, frames, 0.0).sum((3, 4)) / chosen.sum((3, 4)).clamp_min(1)
