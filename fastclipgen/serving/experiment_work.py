"""Draws an experiment for a queue: goes on with another text in the middle of a run, and tells its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import torch

from fastclipgen.config.resources import memory_errors
from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.job import ExperimentJob
from fastclipgen.result import Result
from fastclipgen.serving.desk import Desk
from fastclipgen.serving.experiment_reading import ExperimentReader, check_goes_on
from fastclipgen.serving.snapshots import to_levels

EVERY = 0.5  # seconds between figures
SHARE = 0.02  # of the drawing thread's time for similarities, which are a look of the models


class ExperimentWork:
    """As `work.Work`, with `update`."""

    def __init__(
        self, settings: dict[str, Any], reader: ExperimentReader, notice: Callable[[str], None], desk: Desk
    ) -> None:
        self._reader, self._notice, self._desk = reader, notice, desk
        self._asked = self._read(settings)
        self._job = self._made(self._asked, None)
        self._batch, self._again = 0, False
        self._due = self._look_due = self._last = 0.0
        self._step = 0

    @property
    def device(self) -> torch.device:
        return self._job.device

    def first(self, done: Collection[int]) -> int:
        return min(len(done) // self._job.batch, self._job.batches) * self._job.batch

    def ticks(self, done: Collection[int]) -> int:
        return self._job.ticks(self.first(done) // self._job.batch)

    def run(
        self, done: Collection[int], callbacks: Sequence[Callable[[Any], Any]], interrupted: Callable[[], bool]
    ) -> Iterator[list[Result]]:
        """Batch by batch. One after which `update` was called is drawn further and comes again."""
        self._batch = self.first(done) // self._job.batch
        self._again = True
        while self._again:
            self._again = False
            with memory_errors():
                for batch in self._job.run([*callbacks, self._after_step], interrupted, first=self._batch):
                    yield batch
                    if self._again:
                        break
                    self._batch += 1

    def update(self, settings: dict[str, Any]) -> int:
        """Between two batches that `run` gave: the last of them goes on under other settings. Gives the number of steps
        that are left. Raises UserError, after which everything is as it was."""
        self._again = True  # the batch that `run` has just given is not finished
        asked = self._read(settings)
        check_goes_on(self._asked, asked)
        self._job = self._made(asked, self._job)
        self._asked = asked
        return self._job.ticks(self._batch)

    def _read(self, settings: dict[str, Any]) -> Experiment:
        experiment = self._reader.asked(settings["experiment"], settings["seed"])
        if unused := self._reader.unused(experiment):
            self._notice(f"{', '.join(unused)}: for the command line, without effect here")
        return experiment

    def _made(self, asked: Experiment, before: ExperimentJob | None) -> ExperimentJob:
        located = self._reader.located(asked)
        loaded = before.loaded if before is not None and before.experiment.models == located.models else None
        with memory_errors():
            return ExperimentJob(
                located, None if before is None else before.carry(), loaded=loaded, notice=self._notice
            )

    def _after_step(self, info: Any) -> None:
        now = time.monotonic()
        last = info.step == info.steps
        if self._desk.wants_views:
            views = self._job.views(info)
            self._desk.show(info.step, to_levels(views.flatten(0, 1)).unflatten(0, views.shape[:2]).cpu().numpy())
        if now < self._due and not last:
            return
        speed = (info.step - self._step) / (now - self._last) if info.step > self._step and self._last else None
        point: dict[str, Any] = {
            "step": info.step,
            "loss": _finite(info.known[1].mean()) if info.known is not None else None,
            "rate": self._job.rate(info.step - 1),
            "speed": None if speed is None else round(speed, 2),
        }
        self._step, self._last, self._due = info.step, now, now + EVERY
        if now >= self._look_due or last:
            self._job.measure(info)
            rows = [row for row in self._job.statistics.rows if row.figures]
            point["rows"] = [
                {"kind": row.kind.strip(), "name": row.name, "value": _finite(row.figures[-1])} for row in rows
            ]
            spent = time.monotonic() - now
            self._look_due = now + max(EVERY, spent / SHARE)
        self._desk.note(point)


def _finite(value: Any) -> float | None:
    number = float(value)
    return round(number, 5) if abs(number) < float("inf") else None
