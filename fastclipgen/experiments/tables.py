"""Everything that is known ahead of a run, as tensors that the step reads by the epoch's number.

So nothing is compiled or recorded again when a schedule's value changes. Values that depend on a similarity bring what
is known of them, and are computed in the step (`recipes.live`). Knows nothing of what the numbers are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.engine.recipe import Task
from fastclipgen.recipes.values import LiveValue, Value
from fastclipgen.recipes.variables import Schedule

VALUES = "values"


class Now(NamedTuple):
    """One epoch, on the device. epoch: int64 [1]; row: float32 [B, K]; tables: the task's."""

    epoch: Tensor
    row: Tensor
    tables: Mapping[str, Tensor]


def now(task: Task, step: int | Tensor) -> Now:
    """The row of every picture of the task at a step."""
    tables = task.tables or {}
    values = tables[VALUES]
    if not isinstance(step, Tensor):
        step = torch.full((1,), step, dtype=torch.int64, device=values.device)  # a fill, not a copy from the host
    epoch = step.reshape(1)
    return Now(epoch, values.index_select(1, epoch)[:, 0], tables)


class Column(NamedTuple):
    """Where a value stands in a row; count: how many numbers it has, or None for a single one."""

    first: int
    count: int | None

    def read(self, at: Now) -> Tensor:
        """float32 [B, count], or [B]."""
        return at.row[:, self.first] if self.count is None else at.row[:, self.first : self.first + self.count]

    def flag(self, at: Now) -> Tensor:
        """bool [B]."""
        return self.read(at) != 0


class LiveColumn(NamedTuple):
    """A value that depends on a similarity, and the names of the tables that hold what is known of it."""

    value: LiveValue
    tables: tuple[str, ...]

    def read(self, at: Now, similarity: Tensor) -> Tensor:
        """float32 of the shape of `similarity` [B, ...], or [B, ..., count]."""
        return self.value(at.epoch, similarity, [at.tables[name] for name in self.tables])


class Sheet:
    """Collects the values of a run; `tables` is what goes into `Task.tables`."""

    def __init__(self, schedule: Schedule, device: torch.device | str) -> None:
        self.schedule, self.device = schedule, device
        self._pictures = len(schedule.seeds)
        self._columns: list[Tensor] = []  # [epochs, B] each
        self._live: dict[str, Tensor] = {}

    def put(self, value: Value) -> Column:
        """A value that is known ahead, also a constant. Raises UserError as `Value.over` does."""
        return self.put_table(value.over(self.schedule))

    def put_table(self, table: Tensor) -> Column:
        """[epochs, 1 or B] or [epochs, 1 or B, N]."""
        first = len(self._columns)
        planes = [table] if table.ndim == 2 else list(table.unbind(-1))
        self._columns += [plane.to(torch.float32).expand(-1, self._pictures) for plane in planes]
        return Column(first, None if table.ndim == 2 else len(planes))

    def put_live(self, value: Value) -> LiveColumn:
        """A value that depends on a similarity. Raises UserError as `recipes.live.Live` does."""
        live = value.on_device(self.schedule, self.device)
        names = []
        for table in live.tables:
            names.append(f"live{len(self._live)}")
            self._live[names[-1]] = table.expand(self._pictures, -1, -1).contiguous()
        return LiveColumn(live, tuple(names))

    def put_any(self, value: Value) -> Column | LiveColumn:
        return self.put_live(value) if value.live else self.put(value)

    def tables(self) -> dict[str, Tensor]:
        """float32 [B, epochs, K] under `VALUES`, and a table for each part of a live value."""
        epochs = self.schedule.epochs
        columns = torch.stack(self._columns, -1) if self._columns else torch.zeros(epochs, self._pictures, 0)
        return {VALUES: columns.transpose(0, 1).contiguous().to(self.device), **self._live}
