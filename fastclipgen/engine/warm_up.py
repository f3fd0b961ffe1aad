"""Compiling the step of a run ahead of it, and finding out what that costs and gains.

The code is left in torch's cache on the disk, where later processes find it. Makes no picture.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from fastclipgen.engine.compile_choice import Costs
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.race import Race
from fastclipgen.engine.recipe import Task
from fastclipgen.engine.step import begin
from fastclipgen.engine.stepper import Stepper
from fastclipgen.generators.base import Params

TIMED = 5  # steps, of which the median counts
SETTLING = 2  # steps before: the second is the one that a CUDA graph is recorded at


class WarmUp(NamedTuple):
    """seconds: of compiling, all together; costs: of later starts and steps, as compile_choice weighs them."""

    seconds: float
    costs: Costs


def warm_up(engine: Engine, task: Task, params: Params | None) -> WarmUp:
    """Compiles the step of `engine` for the pictures of `task`, which begin with `params` (None: from their seeds).

    Raises UserError where compiling fails.
    """
    loading = _seconds(lambda: importlib.import_module("torch._inductor.compile_fx"))
    pictures = len(task.seeds)
    task, params = engine.prepared(task, params)
    tracks = len(task.seeds) // pictures
    parts = Race(tracks, engine.finalists, len(engine.rates)).parts
    runs = [_Runs(engine, task, params, pictures * rows) for rows, _ in parts]

    def mean(taken: list[tuple[float, float]]) -> float:
        return sum(share * step for (_, share), (_, step) in zip(parts, taken, strict=True))

    eager = mean([run.time(compiled=False) for run in runs])
    first = [run.time(compiled=True) for run in runs]
    torch._dynamo.reset()  # forgets what is compiled in this process, so that the disk must have it
    again = [run.time(compiled=True) for run in runs]
    costs = Costs(loading + sum(start for start, _ in again), eager, 1 - mean(first) / eager, True)
    return WarmUp(loading + sum(start for start, _ in first), costs)


class _Runs:
    """Short runs that all begin alike, with the first `rows` rows of a task and its parameters."""

    def __init__(self, engine: Engine, task: Task, params: Params, rows: int) -> None:
        index = torch.arange(rows, device=task.seeds.device)
        self._engine, self._task = engine, task.rows(index)
        self._params = {key: value[index] for key, value in params.items()}

    def time(self, compiled: bool) -> tuple[float, float]:
        """Seconds of the first step and of a later one."""
        recipe, device = self._engine.recipe, self._task.seeds.device
        way = replace(self._engine.stepper.way, compiled=compiled, strict=True)
        rates = torch.full((SETTLING + TIMED,), 1e-3)
        stepper = Stepper(recipe, rates, way, notice=lambda line: None)
        stepper.begin(self._task)
        state = begin(recipe, self._params)

        def take(step: int) -> None:
            nonlocal state
            state, _, _ = stepper.take(state, step)
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        taken = [_seconds(lambda step=step: take(step)) for step in range(len(rates))]
        return taken[0], statistics.median(taken[SETTLING:])


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
