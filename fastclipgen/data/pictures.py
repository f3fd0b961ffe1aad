"""Lists of pictures as a source for trainings: an order for every epoch, random crops, and others for bad pictures.

Picture p of a training is number p % n of epoch p // n; its place in that epoch's order and its crop are drawn from the
seed, p and the epoch alone. So neither threads nor processes nor what was asked before change it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.listing import Listing
from fastclipgen.data.order import Order
from fastclipgen.data.squares import CENTRE, square, squashed
from fastclipgen.errors import UserError, unknown
from fastclipgen.ops.philox import Stream, uniforms

CROPS = ("random", "centre", "squash")
PATIENCE = 100  # bad pictures in a row, after which something else must be wrong

_Found = Future[tuple[int, Tensor]]  # a picture and its number
_Reading = tuple[int, range, list[_Found]]  # of these places of a step


class PictureSource:
    """Squares of `size` pixels of two lists, to train on and held out; the protocol is data.source.Source.

    batch: pictures of a step, of all processes together. short_side: of a picture, before the crop. A picture that
    cannot be read gives its place to the next one in the order; it is kept in `bad`, with the reason, and told to
    `notice` once. crop: one of CROPS; "squash" takes whole pictures, and of held-out ones the others take the centre.
    Raises UserError for a short side below the size, and for one that a squashed picture would not have.
    """

    def __init__(
        self,
        train: Listing,
        held_out: Listing,
        *,
        size: int,
        short_side: int,
        seed: int,
        batch: int,
        notice: Callable[[str], None],
        threads: int = 0,
        crop: str = "random",
    ) -> None:
        if crop not in CROPS:
            raise unknown("crop", crop, CROPS)
        if crop == "squash" and short_side != size:
            raise UserError(
                f"squashed pictures have no short side of their own, got {short_side}; leave --short-side out"
            )
        if not 1 <= size <= short_side:
            raise UserError(
                f"a crop of {size} pixels needs a short side of at least as many, got {short_side}; "
                "raise --short-side or lower --size"
            )
        self.size, self.short_side, self.bad = size, short_side, dict[str, str]()
        self._train, self._held_out, self._seed, self._batch = train, held_out, torch.tensor([seed]), batch
        self._notice, self._lock = notice, Lock()
        self._pool = ThreadPoolExecutor(threads or min(16, os.cpu_count() or 1))
        self._crop, self._kept = crop, dict[int, Tensor]()
        self._now: _Reading | None = None  # what was asked for last, and what may be asked for next
        self._ahead: _Reading | None = None
        self._order = Order(seed, len(train))

    @property
    def pictures(self) -> int:
        """How many pictures there are to train on."""
        return len(self._train)

    def identity(self) -> dict[str, object]:
        """What the pictures of this training follow from, as plain values."""
        framing = {} if self._crop == "random" else {"crop": self._crop}
        return {"pictures": self._train.identity(), "short_side": self.short_side, "order": int(self._seed), **framing}

    def batch(self, step: int, places: range) -> Tensor:
        """The pictures at these places of the batch of a step, uint8 [n, 3, S, S]; those of the next step are read
        meanwhile. Raises UserError where hardly any can be read."""
        return torch.stack([picture for _, picture in self._read(step, places)])

    def numbers(self, step: int, places: range) -> Tensor:
        """Which pictures of the list to train on those are, int64 [n], those that stand in for bad ones included."""
        return torch.tensor([index for index, _ in self._read(step, places)])

    def held_out(self, count: int) -> Tensor:
        """The first pictures of the held-out list, up to `count`, centre crops, uint8 [n, 3, S, S]."""
        indices = list(range(min(count, len(self._held_out))))
        tried = self._pool.map(lambda i: self._attempt(self._held_out, i, CENTRE), indices)
        found = {index: picture for index, picture in zip(indices, tried, strict=True) if picture is not None}
        if not found:
            raise UserError(f"none of the {len(indices)} held-out pictures could be read; see what was said of them")
        self._kept[count] = torch.tensor(list(found))
        return torch.stack(list(found.values()))

    def held_out_numbers(self, count: int) -> Tensor:
        """Which pictures of the held-out list `held_out(count)` gives, int64 [n]."""
        if count not in self._kept:
            self.held_out(count)
        return self._kept[count]

    def _read(self, step: int, places: range) -> list[tuple[int, Tensor]]:
        """The pictures at these places of the batch of a step, and their numbers; asked for again, they are there."""
        if self._now is None or self._now[:2] != (step, places):
            if self._ahead is None or self._ahead[:2] != (step, places):
                self._forget()
                self._ahead = (step, places, self._submit(step, places))
            self._now, self._ahead = self._ahead, (step + 1, places, self._submit(step + 1, places))
        return [future.result() for future in self._now[2]]

    def _submit(self, step: int, places: range) -> list[_Found]:
        crops = uniforms(self._seed, step, Stream.GEOMETRY, 2, cutouts=self._batch)[0].tolist()
        positions = step * self._batch + np.asarray(places)
        # a bad picture's place goes to one of those behind it
        following = self._order.at(positions[:, None] + np.arange(min(len(self._train), PATIENCE)))
        return [
            self._pool.submit(self._first_good, indices, crops[k]) for k, indices in zip(places, following, strict=True)
        ]

    def _forget(self) -> None:
        for future in self._ahead[2] if self._ahead else []:
            future.cancel()

    def _first_good(self, indices: np.ndarray, crop: list[float]) -> tuple[int, Tensor]:
        for index in indices.tolist():
            picture = self._attempt(self._train, index, (crop[0], crop[1]) if self._crop == "random" else CENTRE)
            if picture is not None:
                return index, picture
        raise UserError(
            f"{len(indices)} pictures in a row cannot be read, the last one '{self._train.name(index)}'; "
            "check what --data names"
        )

    def _attempt(self, listing: Listing, index: int, place: tuple[float, float]) -> Tensor | None:
        try:
            picture = listing.load(index)
            if self._crop == "squash":
                return squashed(picture, self.size)
            return square(picture, self.size, self.short_side, place)
        except UserError as error:
            name = listing.name(index)
            with self._lock:
                if name not in self.bad:
                    self.bad[name] = str(error)
                    self._notice(f"skipping '{name}', bad picture {len(self.bad)}: {error}")
            return None
