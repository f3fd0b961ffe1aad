"""In which order a training goes through its pictures: a new permutation for every epoch, known without the others."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from fastclipgen.ops.philox import Stream, words


class Order:
    """Picture `position` of a training under `seed`, of `count` pictures that all come once in every epoch."""

    def __init__(self, seed: int, count: int) -> None:
        self.count, self._seed = count, torch.tensor([seed])
        self._of_epoch = lru_cache(maxsize=2)(self._shuffled)

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The numbers of the pictures at these positions, int64 [n] -> int64 [n], 0..count - 1."""
        epochs, places = np.divmod(positions, self.count)
        found = np.empty_like(places)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            found[here] = self._of_epoch(int(epoch))[places[here]]
        return found

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.argsort(words(self._seed, epoch, Stream.DATA, self.count)[0, 0].numpy(), kind="stable")
