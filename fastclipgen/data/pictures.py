"""Lists of pictures as a source for trainings: an order for every epoch, random crops, and others for bad pictures.

Picture p of a training is number p % n of epoch p // n; its place in that epoch's order and its crop are drawn from the
seed, p and the epoch alone. So neither threads nor processes nor what was asked before change it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.listing import Listing
from fastclipgen.data.squares import CENTRE, square
from fastclipgen.errors import UserError
from fastclipgen.ops.philox import Stream, uniforms, words

PATIENCE = 100  # bad pictures in a row, after which something else must be wrong


class PictureSource:
    """Squares of `size` pixels of two lists, to train on and held out; the protocol is data.source.Source.

    batch: pictures of a step, of all processes together. short_side: of a picture, before the crop. A picture that
    cannot be read gives its place to the next one in the order; it is kept in `bad`, with the reason, and told to
    `notice` once. Raises UserError for a short side below the size.
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
    ) -> None:
        if not 1 <= size <= short_side:
            raise UserError(
                f"a crop of {size} pixels needs a short side of at least as many, got {short_side}; "
                "raise --short-side or lower --size"
            )
        self.size, self.short_side, self.bad = size, short_side, dict[str, str]()
        self._train, self._held_out, self._seed, self._batch = train, held_out, torch.tensor([seed]), batch
        self._notice = notice
        self._pool = ThreadPoolExecutor(threads or min(16, os.cpu_count() or 1))
        self._ahead: tuple[int, range, list[Future[Tensor]]] | None = None
        self._order = lru_cache(maxsize=2)(self._shuffled)

    @property
    def pictures(self) -> int:
        """How many pictures there are to train on."""
        return len(self._train)

    def identity(self) -> dict[str, object]:
        """What the pictures of this training follow from, as plain values."""
        return {"pictures": self._train.identity(), "short_side": self.short_side, "order": int(self._seed)}

    def batch(self, step: int, places: range) -> Tensor:
        """The pictures at these places of the batch of a step, uint8 [n, 3, S, S]; those of the next step are read
        meanwhile. Raises UserError where hardly any can be read."""
        if self._ahead is not None and self._ahead[:2] == (step, places):
            now = self._ahead[2]
        else:
            self._forget()
            now = self._submit(step, places)
        self._ahead = (step + 1, places, self._submit(step + 1, places))
        return torch.stack([future.result() for future in now])

    def held_out(self, count: int) -> Tensor:
        """The first pictures of the held-out list, up to `count`, centre crops, uint8 [n, 3, S, S]."""
        indices = list(range(min(count, len(self._held_out))))
        tried = self._pool.map(lambda i: self._attempt(self._held_out, i, CENTRE), indices)
        found = [picture for picture in tried if picture is not None]
        if not found:
            raise UserError(f"none of the {len(indices)} held-out pictures could be read; see what was said of them")
        return torch.stack(found)

    def _submit(self, step: int, places: range) -> list[Future[Tensor]]:
        crops = uniforms(self._seed, step, Stream.GEOMETRY, 2, cutouts=self._batch)[0].tolist()
        return [self._pool.submit(self._at, step * self._batch + place, crops[place]) for place in places]

    def _forget(self) -> None:
        for future in self._ahead[2] if self._ahead else []:
            future.cancel()

    def _at(self, position: int, crop: list[float]) -> Tensor:
        """Picture `position` of the training, or the next that can be read."""
        count = len(self._train)
        epoch, first = divmod(position, count)
        order = self._order(epoch)
        for further in range(min(count, PATIENCE)):
            index = int(order[(first + further) % count])
            picture = self._attempt(self._train, index, (crop[0], crop[1]))
            if picture is not None:
                return picture
        raise UserError(
            f"{min(count, PATIENCE)} pictures in a row cannot be read, the last one '{self._train.name(index)}'; "
            "check what --data names"
        )

    def _attempt(self, listing: Listing, index: int, place: tuple[float, float]) -> Tensor | None:
        try:
            return square(listing.load(index), self.size, self.short_side, place)
        except UserError as error:
            name = listing.name(index)
            if name not in self.bad:
                self.bad[name] = str(error)
                self._notice(f"skipping '{name}', bad picture {len(self.bad)}: {error}")
            return None

    def _shuffled(self, epoch: int) -> np.ndarray:
        """The order of an epoch, int64 [n]."""
        return np.argsort(words(self._seed, epoch, Stream.DATA, len(self._train))[0, 0].numpy(), kind="stable")
