"""Learning rates that drop where a picture gets no better, and pictures that are finished after the last drop.

pixray's auto_stop, for each picture of a batch by itself and without a wait for the host: how long a picture has waited
for a lower loss is part of the state of its run. Knows nothing of optimisers or of how a run ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.engine.schedule import DROP_FACTOR

PATIENCE = 12  # steps without a new lowest loss: pixray's


class PlateauState(NamedTuple):
    """Of each picture [B]: the lowest loss so far (float32), steps since then and drops so far (int64)."""

    lowest: Tensor
    waited: Tensor
    drops: Tensor


@dataclass(frozen=True)
class Plateau:
    """After `patience` steps without a new lowest loss the rate is a tenth, `drops` times; then the picture is over.

    A loss is that of random views, so a lowest one may be luck: the first drop can come early where views differ much.
    """

    drops: int
    patience: int = PATIENCE

    def init(self, batch: int, device: torch.device) -> PlateauState:
        zeros = torch.zeros(batch, dtype=torch.int64, device=device)
        return PlateauState(torch.full((batch,), math.inf, device=device), zeros, zeros.clone())

    def update(self, state: PlateauState, loss: Tensor) -> PlateauState:
        """The state after a step whose loss was [B]; NaN is never the lowest."""
        better = loss < state.lowest
        waited = torch.where(better, 0, state.waited + 1)
        drop = waited >= self.patience
        lowest = torch.where(better, loss.to(torch.float32), state.lowest)
        return PlateauState(lowest, torch.where(drop, 0, waited), state.drops + drop)

    def factor(self, state: PlateauState) -> Tensor:
        """What the learning rates are multiplied by, float32 [B]."""
        return DROP_FACTOR ** state.drops.to(torch.float32)

    def over(self, state: PlateauState) -> Tensor:
        """Pictures whose parameters stay as they are, bool [B]."""
        return state.drops > self.drops
