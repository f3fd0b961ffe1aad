"""Where a training gets pictures with attributes and captions: a source of pictures that knows more of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from fastclipgen.data.celeba import celeba, folder
from fastclipgen.data.labelled_pictures import LabelledPictures
from fastclipgen.data.labelled_shapes import LabelledShapes
from fastclipgen.data.labels import Labels
from fastclipgen.data.source import Source, share
from fastclipgen.errors import UserError, unknown

__all__ = ["LABELLED", "LabelledSource", "Labels", "open_labelled"]

LABELLED = ("shapes", "shapes:EASY", "celeba:DIR", "folder:DIR")


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

    def attributes(self, numbers: np.ndarray) -> Tensor:
        """Those of these pictures, int64 [n] -> float32 [n, A], 0 or 1."""
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
    table: Path | None = None,
    crop: str | None = None,
    short_side: int = 0,
    pictures: int = 0,
    notice: Callable[[str], None] = print,
) -> LabelledSource:
    """The source that `--data` names: one of LABELLED.

    size: of the pictures' sides; seed: of their order; batch: pictures a step, of all processes together; table: the
    CSV of a folder's attributes; crop: one of data.pictures.CROPS, None: "centre"; short_side: to which a picture is
    resized before the crop (0: the size itself); pictures: the first so many are trained on, 0: all (of shapes without
    an end). `notice` gets a sentence for every picture that cannot be read, and for what a folder lacks. Raises
    UserError.
    """
    kind, colon, place = text.partition(":")
    if table is not None and kind != "folder":
        raise UserError(f"--attributes is for --data folder:DIR, got '{text}', which has attributes of its own")
    if kind == "shapes":
        if crop or short_side:
            raise UserError(
                "--crop and --short-side are for pictures in files, shapes are drawn as squares; leave them out"
            )
        return LabelledShapes(size, seed, batch, share(place) if colon else None, pictures)
    if kind not in ("celeba", "folder"):
        raise unknown("data", text, LABELLED)
    if not place:
        raise UserError(f"--data {kind} takes a place, {kind}:DIR; got '{text}'")
    root = Path(place).expanduser()
    train, held_out = celeba(root, notice) if kind == "celeba" else folder(root, table, notice)
    if pictures > len(train.listing):
        raise UserError(f"--pictures must be {len(train.listing)} or less, as many as {text} has, got {pictures}")
    return LabelledPictures(
        train.take(list(range(pictures))) if pictures else train, held_out,
        size=size, short_side=short_side or size, seed=seed, batch=batch, notice=notice, crop=crop or "centre",
    )  # fmt: skip
