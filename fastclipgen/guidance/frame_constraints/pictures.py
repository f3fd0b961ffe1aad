"""Constraints that CLIPig lacks, made of what this project has for whole pictures: total variation and palettes."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from fastclipgen.guidance import picture_losses
from fastclipgen.guidance.frame_constraints.base import FrameConstraint, Manner
from fastclipgen.guidance.palette import MOST, palette_of
from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.recipes.options import texts


class TotalVariation(FrameConstraint):
    name = "tv"
    help = (
        "Pulls neighbouring pixels together. Adds 100 times the mean difference of neighbours one below the other plus "
        "that of neighbours side by side: with loss l1 total variation itself, which leaves edges sharp, with loss l2 "
        "that of the squares, which blurs them."
    )
    options: ClassVar = {}
    example: ClassVar = {"loss": "l1", "weight": 0.1}

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        pictures = frames.flatten(0, 1)
        return 100.0 * picture_losses.tv(pictures, pictures, squared=manner.loss != "l1").view(frames.shape[:2])


class Palette(FrameConstraint):
    name = "palette"
    help = (
        "Pulls each pixel to the nearest colour of a palette. Adds 100 times the mean distance to it in the cube of "
        "red, green and blue, with loss l2 that of its squares."
    )
    options: ClassVar = {
        "colors": texts(
            "a list of colours as CSS names or #rrggbb, or one palette as --constraint has it, such as "
            r"'black->red->white\12' (ramps) or '[white];red->navy\4'; 256 colours at most",
            lengths=range(1, MOST + 1),
            table=palette_of,
        )
    }
    example: ClassVar = {"colors": ["black", "white", "#c02020"]}

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        pictures = frames.flatten(0, 1)
        found = picture_losses.palette(pictures, pictures, colours=values["colors"], squared=manner.loss != "l1")
        return 100.0 * found.view(frames.shape[:2])
