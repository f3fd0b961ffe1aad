"""When something is active: `start` and `end`, each an epoch (whole number) or a fraction of the training.

`1` is epoch 1 and `1.0` the end; "30%" is .3; a text of digits is what the number would be. An expression is an epoch
where its operations promise a whole number (`int(...)`, `epoch + 3`), else a fraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.recipes.expressions import Expression, parse
from fastclipgen.recipes.variables import TIME, Schedule

_EXPECTED = "an epoch such as 100, or a fraction of the training such as 0.5 or 50%"


@dataclass(frozen=True, eq=False)
class FrameTime:
    """A moment: an int is an epoch, a float a fraction of the training, an expression either by its kind."""

    moment: int | float | Expression

    @property
    def is_epoch(self) -> bool:
        kind = self.moment.kind if isinstance(self.moment, Expression) else type(self.moment).__name__
        return kind == "int"

    def sign(self, schedule: Schedule) -> Tensor:
        """-1 before the moment, 0 at it, 1 after it: float64 [epochs, 1 or B]."""
        now = schedule.variable("epoch" if self.is_epoch else "time")
        moment = self.moment.over(schedule) if isinstance(self.moment, Expression) else self.moment
        return torch.sign(now - moment)


def read_time(raw: Any, where: str, key: str | None = None, groups: frozenset[str] = TIME) -> FrameTime:
    """Reads a `start` or an `end`; arguments as in `values.read`.

    Raises UserError for anything but a finite number, a percentage, or an expression of the allowed variables.
    """
    plain = _number(raw)
    if plain is not None:
        return FrameTime(plain)
    if not isinstance(raw, str) or raw.strip().endswith("%"):
        raise UserError(f"{where}: expected {_EXPECTED}, got '{raw}'")
    read = parse(raw, where, groups, key=key)
    if read.kind not in ("int", "float"):
        raise read.source.error(f"expected {_EXPECTED}, got a {read.kind}")
    if read.live:
        raise read.source.error("expected a time that is known before the run, got one that depends on a similarity")
    value = read.value if read.constant else None
    return FrameTime(read if value is None or isinstance(value, str) else value)


def _number(raw: Any) -> int | float | None:
    """A finite number, given as one or as a text; a percentage becomes a fraction."""
    if isinstance(raw, str):
        text = raw.strip()
        if text.endswith("%"):
            hundredths = _finite(float, text[:-1])
            return None if hundredths is None else hundredths / 100
        whole = _finite(int, text)
        return _finite(float, text) if whole is None else whole
    return _finite(type(raw), raw) if type(raw) in (int, float) else None


def _finite(kind: type, raw: Any) -> Any:
    try:
        number = kind(raw)
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def active(start: FrameTime, end: FrameTime, schedule: Schedule) -> Tensor:
    """At which epochs something is active, both ends included: bool [epochs, 1 or B].

    Raises UserError naming the first epoch where an expression is not finite.
    """
    return (start.sign(schedule) >= 0) & (end.sign(schedule) <= 0)
