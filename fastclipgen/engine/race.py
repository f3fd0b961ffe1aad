"""Tracks of a picture against each other: after a part of the steps only those with the lowest losses go on.

Successive halving (K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
2016) with one cut: most of what a start will come to shows early. Nothing here waits for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

PART = 0.25  # of the steps, before the cut


class Race:
    """The standing of `tracks` tracks of each picture, of which `finalists` go on after `until` steps (0: all, always).

    A loss is that of random views, so a track is judged by the mean of its losses in the second half before the cut.
    """

    def __init__(self, tracks: int, finalists: int, steps: int) -> None:
        self.tracks, self.finalists = tracks, min(finalists, tracks)
        self.until = int(PART * steps) if self.finalists < tracks else 0
        self._sum: Tensor | None = None

    def note(self, done: int, loss: Tensor) -> None:
        """loss [B * tracks] of the step that made it `done` steps."""
        if self.until // 2 < done <= self.until:
            # the next step may write where this loss is
            self._sum = loss.clone() if self._sum is None else self._sum + loss

    @property
    def parts(self) -> list[tuple[int, float]]:
        """Tracks of a picture and the share of the steps that they are, in each part of the run."""
        return [(self.tracks, PART), (self.finalists, 1 - PART)] if self.until else [(self.tracks, 1.0)]

    def finals(self, done: int) -> Tensor | None:
        """After `until` steps: int64 [B * finalists], the rows that go on, best first; before and after: None."""
        if done != self.until or self._sum is None:
            return None
        standing = self._sum.nan_to_num(torch.inf, torch.inf).view(-1, self.tracks)
        order = standing.argsort(dim=1, stable=True)[:, : self.finalists]
        first = self.tracks * torch.arange(len(order), device=order.device)
        return (first[:, None] + order).reshape(-1)
