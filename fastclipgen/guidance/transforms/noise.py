"""Transforms that add Gaussian noise, another for every frame and step."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from fastclipgen.guidance.transforms.base import Draws, Transform, Values, per_channel, per_picture
from fastclipgen.recipes.options import Option, numbers

_STD: dict[str, Option] = {"std": numbers("its deviation in red, green and blue", lengths=(3,))}
_FREQUENCY_STD = 15.0  # CLIPig's: of the real and of the imaginary part of each frequency, for a std of 1


class Noise(Transform):
    name = "noise"
    help = "Adds noise to every value."
    options: ClassVar = _STD
    example: ClassVar = {"std": [0.1, 0.2, "0.3 * ti"]}
    random = True

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return frames + per_channel(values["std"]) * draws.normal(*frames.shape[2:])


class GreyNoise(Transform):
    name = "bwnoise"
    help = "Adds noise that is the same in red, green and blue."
    options: ClassVar = {"std": numbers("its deviation")}
    example: ClassVar = {"std": "1/5 * ti"}
    random = True

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return frames + per_picture(values["std"]) * draws.normal(1, *frames.shape[3:])


class CoarseNoise(Transform):
    name = "rnoise"
    help = "Adds noise of a resolution of its own, bilinearly resized to the frame: spots instead of grain."
    options: ClassVar = {**_STD, "resolution": numbers("its columns and rows", lengths=(2,), whole=True, shape=True)}
    example: ClassVar = {"std": 0.2, "resolution": [8, 6]}
    random = True

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        columns, rows = (max(1, side) for side in values["resolution"])
        coarse = draws.normal(frames.shape[2], rows, columns)  # [B, N, 3, h, w]
        smooth = functional.interpolate(coarse.flatten(0, 1), frames.shape[3:], mode="bilinear")
        return frames + per_channel(values["std"]) * smooth.unflatten(0, coarse.shape[:2])


class FrequencyNoise(Transform):
    """CLIPig transforms each channel, read as one row of H * W numbers, to frequencies, adds N(0, 15 * std) to all real
    and imaginary parts, and transforms back. As that is linear, what is added is such noise transformed back: normal
    numbers, independent but for traces (the two frequencies without an imaginary part get half the power of others),
    with a deviation of 15 * std * sqrt(2 / (H * W)). So they are drawn as that, for any size, without the transforms.
    """

    name = "fnoise"
    help = "Adds noise to the frequencies of a frame: the larger the frame, the fainter is the noise of its pixels."
    options: ClassVar = {
        "std": numbers("a fifteenth of its deviation in the frequencies of red, green and blue", lengths=(3,)),
    }
    example: ClassVar = {"std": 0.1}
    random = True

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        height, width = frames.shape[3:]
        std = values["std"] * (_FREQUENCY_STD * math.sqrt(2 / (height * width)))
        return frames + per_channel(std) * draws.normal(*frames.shape[2:])
