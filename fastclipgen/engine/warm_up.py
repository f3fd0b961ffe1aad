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
from fastclipgen.engine.step import Task, begin
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
    runs = _Runs(engine, task, params)
    _, eager = runs.time(compiled=False)
    first, compiled = runs.time(compiled=True)
    torch._dynamo.reset()  # forgets what is compiled in this process, so that the disk must have it
    start, _ = runs.time(compiled=True)
    return WarmUp(loading + first, Costs(loading + start, eager, 1 - compiled / eager, True))


class _Runs:
    """Short runs that all begin alike."""

    def __init__(self, engine: Engine, task: Task, params: Params | None) -> None:
        self._engine = engine
        self._task, self._params = engine.prepared(task, params)

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
