"""Learning-rate schedules, evaluated before the run into one tensor that the step indexes.

Written KIND[:VALUES]: "constant", "linear", "linear:0.2", "cosine", "cosine:0.1" (the value is the fraction of the rate
that the last step has), "drops:0.5,0.75" (the rate is divided by 10 at these fractions of the run, VQGAN+CLIP's habit).
A warm-up is a fraction of the run in front of any kind. Knows nothing of optimisers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fastclipgen.errors import UserError, unknown

DEFAULTS: dict[str, tuple[float, ...]] = {"constant": (), "linear": (0.0,), "cosine": (0.0,), "drops": (0.75,)}
DROP_FACTOR = 0.1


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes over a run.

    `values`: the final fraction in 0..1 (linear, cosine) or the fractions of the run in 0..1 where the rate drops
    (drops). `warmup`: fraction of the run, below 1, over which the rate first rises linearly from near 0.
    """

    kind: str = "constant"
    values: tuple[float, ...] = ()
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in DEFAULTS:
            raise unknown("schedule", self.kind, DEFAULTS)
        wanted = len(DEFAULTS[self.kind])
        if len(self.values) != wanted and not (self.kind == "drops" and self.values):
            raise UserError(
                f"expected {wanted} value(s) for schedule '{self.kind}', got {len(self.values)}; "
                "write for example 'constant', 'cosine:0.1' or 'drops:0.5,0.75'"
            )
        for value in self.values:
            if not 0 <= value <= 1:
                raise UserError(f"expected fractions from 0 to 1 in schedule '{self.kind}', got {value}; correct it")
        if not 0 <= self.warmup < 1:
            raise UserError(
                f"expected a warm-up of 0 or more and less than 1 (a fraction of the run), got {self.warmup}"
            )

    def evaluate(self, steps: int, lr: float) -> Tensor:
        """Learning rates float32 [steps] on the CPU, from the peak rate `lr`. Raises UserError unless 0 <= lr < inf."""
        if not 0 <= lr < math.inf:
            raise UserError(f"expected a learning rate of 0 or more, got {lr}; 0.05 is a usual value for adam")
        warm = round(self.warmup * steps)
        index = torch.arange(steps, dtype=torch.float64)
        factor = self._factor(index, steps, warm)
        if warm:
            factor = torch.where(index < warm, (index + 1) / (warm + 1), factor)
        return (lr * factor).to(torch.float32)

    def _factor(self, index: Tensor, steps: int, warm: int) -> Tensor:
        """The fraction of the peak rate at every step after the warm-up, float64 [steps]."""
        progress = ((index - warm) / max(steps - warm - 1, 1)).clamp(
            0, 1
        )  # 0 on the first step after it, 1 on the last
        if self.kind == "linear":
            return 1 + (self.values[0] - 1) * progress
        if self.kind == "cosine":
            return self.values[0] + (1 - self.values[0]) * (1 + torch.cos(math.pi * progress)) / 2
        factor = torch.ones_like(index)
        for fraction in self.values:
            factor = torch.where(index >= math.floor(fraction * (steps - 1)), factor * DROP_FACTOR, factor)
        return factor


def parse_schedule(source: str, warmup: float = 0.0) -> Schedule:
    """KIND[:VALUE[,VALUE...]] as in the module's text. Raises UserError for unknown kinds and bad values."""
    kind, colon, rest = (part.strip() for part in source.partition(":"))
    if kind not in DEFAULTS:
        raise unknown("schedule", kind, DEFAULTS)
    if not colon:
        return Schedule(kind, DEFAULTS[kind], warmup)
    try:
        values = tuple(float(value) for value in rest.split(","))
    except ValueError:
        raise UserError(
            f"expected numbers after ':' in schedule '{source}'; write for example 'cosine:0.1' or 'drops:0.5,0.75'"
        ) from None
    return Schedule(kind, values, warmup)
