"""What is kept beside the parameters during a run: their moving average, and the best of them per picture.

Both are pure functions on tensors without a wait for the host, so they compile into the step. Neither knows where the
parameters or the losses come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.generators.base import Params


class EmaState(NamedTuple):
    """`step`: int64 0-d, updates done so far; `average`: the uncorrected averages, which start at 0."""

    step: Tensor
    average: Params


@dataclass(frozen=True)
class Ema:
    """Exponential moving average of parameters with Adam's bias correction. Raises UserError unless 0 <= decay < 1.

    With decay 0 the average is the last parameters; `enabled` lets a loop skip it then.
    """

    decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise UserError(f"expected an EMA decay of 0 (off) or more and less than 1, got {self.decay}; try 0.99")

    @property
    def enabled(self) -> bool:
        return self.decay > 0

    def init(self, params: Params) -> EmaState:
        return EmaState(_counter(params), {key: torch.zeros_like(p) for key, p in params.items()})

    def update(self, state: EmaState, params: Params) -> EmaState:
        average = {key: torch.lerp(state.average[key], p, 1 - self.decay) for key, p in params.items()}
        return EmaState(state.step + 1, average)

    def read(self, state: EmaState, params: Params) -> Params:
        """The corrected averages; `params` where there was no update yet."""
        if not self.enabled:
            return {key: torch.where(state.step > 0, state.average[key], p) for key, p in params.items()}
        weight = -torch.expm1(state.step.to(torch.float32) * math.log(self.decay))  # 1 - decay**step
        weight = weight.clamp_min(torch.finfo(torch.float32).tiny)  # 0 before the first update, where it is not used
        return {key: torch.where(state.step > 0, state.average[key] / weight, p) for key, p in params.items()}


class BestState(NamedTuple):
    """`step`: int64 0-d, losses seen; `loss` float32 [B], inf until one counts; `params`: those of that loss."""

    step: Tensor
    loss: Tensor
    params: Params


@dataclass(frozen=True)
class KeepBest:
    """The parameters with the lowest loss, for each picture on its own; the first `ignore` losses do not count."""

    ignore: int = 0

    def __post_init__(self) -> None:
        if self.ignore < 0:
            raise UserError(f"expected a number of steps to ignore of 0 or more, got {self.ignore}; 0 ignores none")

    def init(self, params: Params) -> BestState:
        batch, device = next((p.shape[0], p.device) for p in params.values())
        loss = torch.full((batch,), math.inf, dtype=torch.float32, device=device)
        return BestState(_counter(params), loss, {key: p.clone() for key, p in params.items()})

    def update(self, state: BestState, loss: Tensor, params: Params) -> BestState:
        """`loss` [B] is that of `params`, so call it before they are updated. A non-finite loss is never the best."""
        loss = loss.to(torch.float32)
        better = torch.isfinite(loss) & (loss < state.loss) & (state.step >= self.ignore)  # [B]
        best = {key: torch.where(_rows(better, p), p, state.params[key]) for key, p in params.items()}
        return BestState(state.step + 1, torch.where(better, loss, state.loss), best)

    def read(self, state: BestState, params: Params) -> Params:
        """The best parameters; those of `params` for pictures of which no loss has counted yet."""
        found = torch.isfinite(state.loss)
        return {key: torch.where(_rows(found, p), state.params[key], p) for key, p in params.items()}


def _counter(params: Params) -> Tensor:
    device = next((p.device for p in params.values()), None)
    return torch.zeros((), dtype=torch.int64, device=device)


def _rows(mask: Tensor, like: Tensor) -> Tensor:
    """[B] -> [B,1,...] with as many dimensions as `like`."""
    return mask.reshape(-1, *(1,) * (like.ndim - 1))
