"""Transforms of pixels and their neighbourhood, and of the border of a frame."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from fastclipgen.guidance.filtering import gaussian_blur, painted_border
from fastclipgen.guidance.transforms.base import Draws, Transform, Values, per_channel
from fastclipgen.ops.colour import to_unit_range
from fastclipgen.recipes.options import Option, numbers

WINDOW: dict[str, Option] = {
    "kernel_size": numbers(
        "width and height of the window in pixels; an even number counts as the next odd one, 1 is no blur",
        [3, 3],
        (2,),
        whole=True,
    ),
    "sigma": numbers(
        "horizontal and vertical deviation in pixels; left out: 0.3 * ((kernel_size - 1) / 2 - 1) + 0.8",
        None,
        (2,),
        nullable=True,
    ),
}
"""The options of everything that blurs."""


def blurred(frames: Tensor, values: Values) -> Tensor:
    """The frames [B, N, 3, H, W] blurred by the values of `WINDOW`, which are those of a transform."""
    sigma = values["sigma"]
    return gaussian_blur(frames, values["kernel_size"][:, None], None if sigma is None else sigma[:, None])


class Blur(Transform):
    name = "blur"
    help = "Gaussian blur. Around it the frame goes on mirrored."
    options: ClassVar = WINDOW
    example: ClassVar = {"kernel_size": [5, "1 + 6 * t"], "sigma": ["1.5", "1 + t"]}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return blurred(frames, values)


class Edge(Transform):
    """compat: CLIPig's code keeps only what is lighter than its surroundings, and limits the result to 0..1."""

    name = "edge"
    help = "The edges alone: how far each pixel is from its blurred surroundings."
    options: ClassVar = {
        **WINDOW,
        "amount": numbers("what red, green and blue of the result are multiplied by", 1.0, (3,)),
    }
    example: ClassVar = {"kernel_size": 5, "amount": [10, 10, 5]}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        apart, amount = frames - blurred(frames, values), per_channel(values["amount"])
        return to_unit_range(apart * amount) if values.get("compat", False) else apart.abs() * amount


class Border(Transform):
    name = "border"
    help = "Paints the outer columns and rows of a frame in one colour, which has no gradient."
    options: ClassVar = {
        "size": numbers("how many columns on either side, and rows above and below", [1, 1], (2,), whole=True),
        "color": numbers("red, green and blue, 0..1", 0.0, (3,)),
    }
    example: ClassVar = {"size": [2, 3], "color": [1, 0.5, 0]}

    def apply(self, frames: Tensor, values: Values, draws: Draws) -> Tensor:
        return painted_border(frames, values["size"][:, None], values["color"][:, None])
