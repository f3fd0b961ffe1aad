"""Where a training gets pictures with attributes and captions: a source of pictures that knows more of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from torch import Tensor

from fastclipgen.data.labelled_shapes import LabelledShapes
from fastclipgen.data.labels import Labels
from fastclipgen.data.source import Source, share
from fastclipgen.errors import unknown

__all__ = ["LABELLED", "LabelledSource", "Labels", "open_labelled"]

LABELLED = ("shapes", "shapes:EASY")


class LabelledSource(Source, Protocol):
    """A source whose pictures have numbers, and by them attributes and captions.

    Where the set is finite (`pictures`), a number is one of 0..pictures - 1, the same for the same picture whatever the
    seed of the order; captions can be had of all of them before any picture is read.
    """

    @property
    def attribute_names(self) -> tuple[str, ...]: ...

    def numbers(self, step: int, places: range) -> Tensor:
        """Which pictures `batch(step, places)` gives, int64 [n]."""
        ...

    def captions(self, numbers: np.ndarray) -> list[str]:
        """The captions of these pictures, int64 [n]."""
        ...

    def labels(self, step: int, places: range) -> Labels:
        """Of the pictures that `batch(step, places)` gives."""
        ...

    def held_out_labels(self, count: int) -> Labels:
        """Of the pictures that `held_out(count)` gives."""
        ...


def open_labelled(
    text: str,
    size: int,
    seed: int,
    batch: int,
    *,
    pictures: int = 0,
    notice: Callable[[str], None] = print,
) -> LabelledSource:
    """The source that `--data` names: one of LABELLED.

    size: of the pictures' sides; seed: of their order; batch: pictures a step, of all processes together; pictures: how
    many of them there are to be, 0: all (of shapes without an end). `notice` gets a sentence for every picture that
    cannot be read. Raises UserError.
    """
    kind, colon, place = text.partition(":")
    if kind == "shapes":
        return LabelledShapes(size, seed, batch, share(place) if colon else None, pictures)
    raise unknown("data", text, LABELLED)
