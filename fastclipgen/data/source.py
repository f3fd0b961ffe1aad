"""Where a training gets its pictures: anything that has picture `place` of step `step`, however often it is asked.

So a step is the same whatever was drawn before it, and whichever of several processes draws its share of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data import folders
from fastclipgen.data.listing import Listing
from fastclipgen.data.pictures import PictureSource
from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.data.shards import shards
from fastclipgen.errors import UserError, unknown

FOLDERS: dict[str, Callable[[Path], tuple[Listing, Listing]]] = {
    "folder": folders.folder, "coco": folders.coco, "imagenet": folders.imagenet,
}  # fmt: skip
SOURCES = ("shapes", "shapes:EASY", *(f"{kind}:DIR" for kind in FOLDERS), "cc:SHARDS")


class Source(Protocol):
    """Square pictures of `size` pixels; the numbers of steps and places decide which."""

    @property
    def size(self) -> int: ...

    @property
    def pictures(self) -> int | None:
        """How many pictures there are before they come again; None: no end of them."""
        ...

    def identity(self) -> dict[str, Any]:
        """Plain values that say which pictures these are; what is made of them is good for equal ones."""
        ...

    def batch(self, step: int, places: range) -> Tensor:
        """The pictures at these places (from 0) of the batch of a step, uint8 [n, 3, S, S]."""
        ...

    def held_out(self, count: int) -> Tensor:
        """Up to `count` pictures that no step trains on, always the same, uint8 [n, 3, S, S]."""
        ...


class ShapesSource:
    """The shapes world: a new scene for every place of every step. easy: this share shows one object on a plain ground
    (ShapesDataset.mixed), None: as the world has it, which is a quarter."""

    def __init__(self, size: int, seed: int, batch: int, easy: float | None = None) -> None:
        self.pictures: int | None = None
        self.size, self._batch, self._easy = size, batch, easy
        self._data, self._held_out = ShapesDataset(seed, size), ShapesDataset(HELD_OUT_SEED, size)

    def identity(self) -> dict[str, Any]:
        return {"pictures": "shapes", "order": self._data.seed} | ({} if self._easy is None else {"easy": self._easy})

    def indices(self, step: int, places: range) -> np.ndarray:
        """The scenes at these places of the batch of a step, int64 [n]."""
        if self._easy is None:
            return step * self._batch + np.asarray(places)
        return self._data.mixed(step, self._batch, self._easy)[np.asarray(places)]

    def held_out_indices(self, count: int) -> np.ndarray:
        """The held-out scenes, int64 [count], under HELD_OUT_SEED."""
        return np.arange(count) if self._easy is None else self._held_out.mixed(0, count, self._easy)

    def batch(self, step: int, places: range) -> Tensor:
        return _bytes(self._data.images(self.indices(step, places)))

    def held_out(self, count: int) -> Tensor:
        return _bytes(self._held_out.images(self.held_out_indices(count)))


def open_source(
    text: str, size: int, seed: int, batch: int, short_side: int = 0, notice: Callable[[str], None] = print
) -> Source:
    """The source that `--data` names: one of SOURCES.

    size: of the pictures' sides; seed: of their order and crops; batch: pictures a step, of all processes together;
    short_side: to which a picture is resized before the crop (0: the size itself; the shapes world fills its squares
    anyway). `notice` gets a sentence for every picture that cannot be read. Raises UserError.
    """
    kind, colon, place = text.partition(":")
    if kind == "shapes":
        return ShapesSource(size, seed, batch, share(place) if colon else None)
    if kind not in (*FOLDERS, "cc"):
        raise unknown("data", text, SOURCES)
    if not colon or not place:
        raise UserError(f"--data {kind} takes a place, {kind}:{'SHARDS' if kind == 'cc' else 'DIR'}; got '{text}'")
    train, held_out = shards(place, notice) if kind == "cc" else FOLDERS[kind](Path(place).expanduser())
    side = short_side or size
    return PictureSource(train, held_out, size=size, short_side=side, seed=seed, batch=batch, notice=notice)


def share(text: str) -> float:
    """The share of easy pictures in shapes:SHARE. Raises UserError."""
    with suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise UserError(
        f"--data shapes takes a share of easy pictures from 0 to 1 or nothing, as in shapes:0.8; got '{text}'"
    )


def _bytes(images: np.ndarray) -> Tensor:
    """float [n, S, S, 3] in 0..1 -> uint8 [n, 3, S, S]."""
    return torch.from_numpy(np.rint(images.clip(0, 1) * 255).astype(np.uint8)).permute(0, 3, 1, 2)
