"""Pictures in files with rows of a table: which row belongs to which picture is settled here, and never by position."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data import attribute_captions
from fastclipgen.data.attribute_tables import Table
from fastclipgen.data.labels import Labels
from fastclipgen.data.listing import Files, Listing, Part, digest
from fastclipgen.data.pictures import PictureSource
from fastclipgen.errors import UserError


@dataclass(frozen=True)
class Described:
    """A list of N pictures; row i of `values`, uint8 [N, A], and caption i are those of picture i. None: captions are
    made of the attributes."""

    listing: Listing
    names: tuple[str, ...]
    values: np.ndarray
    captions: list[str] | None

    def take(self, indices: list[int]) -> Described:
        """These pictures, in this order, with what is theirs."""
        texts = None if self.captions is None else [self.captions[i] for i in indices]
        return Described(Part(self.listing, indices), self.names, self.values[indices], texts)

    def attributes(self, numbers: np.ndarray) -> Tensor:
        """Those of pictures int64 [n], float32 [n, A]."""
        return torch.from_numpy(self.values[numbers].astype(np.float32))

    def texts(self, numbers: np.ndarray) -> list[str]:
        """The captions of pictures int64 [n]."""
        if self.captions is None:
            return attribute_captions.captions(self.values[numbers], self.names)
        return [self.captions[i] for i in numbers.tolist()]

    def identity(self) -> str:
        """A digest of what is said of the pictures."""
        return digest([*self.names, hashlib.sha256(self.values.tobytes()).hexdigest(), *(self.captions or ())])


def described(pictures: Files, table: Table, path: Path, notice: Callable[[str], None]) -> Described:
    """The pictures that `table`, read from `path`, has a row of, in their own order.

    `notice` hears of rows without a picture, which are left out. Raises UserError for a picture without a row.
    """
    row_of = {name: row for row, name in enumerate(table.files)}
    names = [Path(name).as_posix() for name in pictures.names]
    without = [name for name in names if name not in row_of]
    if without:
        raise UserError(
            f"'{path}' must have a row for each of the {len(names)} pictures in '{pictures.root}', but has none for "
            f"{len(without)}, '{without[0]}' among them; add rows or move these pictures"
        )
    rows = [row_of[name] for name in names]
    if len(rows) < len(table.files):
        there = set(names)
        gone = next(name for name in table.files if name not in there)
        notice(
            f"{len(table.files) - len(rows)} of {len(table.files)} rows of '{path}' are of pictures that are not in "
            f"'{pictures.root}', '{gone}' among them, and are left out"
        )
    texts = None if table.captions is None else [table.captions[row] for row in rows]
    return Described(pictures, table.names, table.values[rows], texts)


class LabelledPictures(PictureSource):
    """Described pictures as data.labelled.LabelledSource: those of `data.pictures.PictureSource`, which takes the rest
    of the options. A picture's number is its place in the list to train on."""

    def __init__(self, train: Described, held_out: Described, **options: Any) -> None:
        super().__init__(train.listing, held_out.listing, **options)
        self.attribute_names = train.names
        self._told, self._told_held_out = train, held_out

    def identity(self) -> dict[str, object]:
        return {**super().identity(), "labels": self._told.identity()}

    def attributes(self, numbers: np.ndarray) -> Tensor:
        """Those of the pictures to train on with these numbers, int64 [n] -> float32 [n, A]."""
        return self._told.attributes(numbers)

    def captions(self, numbers: np.ndarray) -> list[str]:
        """The captions of the pictures to train on with these numbers, int64 [n]."""
        return self._told.texts(numbers)

    def labels(self, step: int, places: range) -> Labels:
        """Of the pictures that `batch(step, places)` gives."""
        return _labels(self._told, self.numbers(step, places))

    def held_out_labels(self, count: int) -> Labels:
        """Of the pictures that `held_out(count)` gives."""
        return _labels(self._told_held_out, self.held_out_numbers(count))


def _labels(told: Described, numbers: Tensor) -> Labels:
    return Labels(told.attributes(numbers.numpy()), told.texts(numbers.numpy()))
