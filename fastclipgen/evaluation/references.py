"""What a set of pictures is compared with: a folder of pictures, or the shapes world. Draws and reads nothing yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastclipgen.errors import UserError
from fastclipgen.evaluation.pictures import Item, files_of, items_of, shapes_items

SHAPES = "shapes"
SHAPES_COUNT = 1000


class Reference(NamedTuple):
    """Pictures to compare with, and what they are in words."""

    items: Sequence[Item]
    name: str


def reference_of(text: str, size: int) -> Reference:
    """The reference by the value of `--reference`: a folder or file, or `shapes[:N]`, which are `size` pixels square.

    Raises UserError for a number of shapes that is none, and for a folder without pictures.
    """
    name, _, number = text.partition(":")
    if name == SHAPES:
        if number and not (number.isdecimal() and int(number) >= 2):
            raise UserError(f"--reference shapes:N takes a number of 2 or more, got '{text}'")
        count = int(number or SHAPES_COUNT)
        return Reference(shapes_items(count, size), f"{count} pictures of the shapes world, {size} px")
    items = items_of(files_of([text], "--reference"))
    return Reference(items, f"{len(items)} pictures of '{text}'")
