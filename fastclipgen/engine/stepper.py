"""How the steps of a run are carried out: cut or whole, compiled or eager, one by one or replayed as a CUDA graph.

What a step computes is in step.py and does not depend on any of this, up to rounding. Where a way fails, the next
plainer one takes the step again: a step changes nothing until it is done.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastclipgen.engine.compiled import Compiled, traces_gradients
from fastclipgen.engine.cuda_graph import CapturedStep
from fastclipgen.engine.memory import is_out_of_memory
from fastclipgen.engine.micro_batch import (
    Cut,
    blocks,
    params_of_blocks,
    slope_by_views,
    slope_of_blocks,
    slope_of_part,
)
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import prompt_loss
from fastclipgen.engine.step import RunState, Slope, forward, move, retouched, slope, take_step
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Params

WHOLE = Cut()
Step = Callable[[RunState, Tensor, Tensor], tuple[RunState, Tensor, Tensor]]
Notice = Callable[[str], object]


@dataclass(frozen=True)
class Way:
    """How steps are taken. compiled: by torch.compile; strict: raise UserError where compiling fails, instead of going
    on without; graph: as a CUDA graph where the device has such; rows are never taken together if `cut` says so."""

    cut: Cut = WHOLE
    compiled: bool = False
    strict: bool = False
    graph: bool = False


EAGER = Way()


class Program:
    """The functions that one recipe's steps are made of, under one cut, eager or compiled. Compiled functions are
    compiled at their first call and serve every run of the same shapes."""

    def __init__(self, recipe: Recipe, cut: Cut, compiled: bool) -> None:
        self._recipe, self._cut = recipe, cut
        wrap: Callable[[Any], Any] = Compiled if compiled else (lambda function: function)
        self._move, self._retouched = wrap(move), wrap(retouched)
        self._in_one = not compiled or traces_gradients()
        if self._in_one:
            self._take, self._slope, self._part = wrap(take_step), wrap(slope), wrap(slope_of_part)
        else:  # autograd runs between compiled functions
            self._slope = partial(slope, forward=wrap(forward))
            self._part = partial(slope_of_part, loss=wrap(prompt_loss))

    def step_of(self, task: Task) -> Step:
        """`take_step` for the pictures of a task."""
        if self._in_one and not (0 < self._cut.rows < len(task.seeds) or self._cut.views):
            return partial(self._take, self._recipe, task)
        parts = blocks(task, self._cut)

        def step(state: RunState, number: Tensor, rate: Tensor) -> tuple[RunState, Tensor, Tensor]:
            if self._recipe.retouch is not None:
                change = partial(self._retouch_of, number)
                state = state._replace(params=params_of_blocks(change, parts, state.params))
            down = slope_of_blocks(lambda part, params: self._slope_of(part, params, number), parts, state.params)
            return self._move(self._recipe, state, down.grads, down.loss, rate), down.loss, down.images

        return step

    def _retouch_of(self, number: Tensor, task: Task, params: Params) -> Params:
        return self._retouched(self._recipe, task, params, number)

    def _slope_of(self, task: Task, params: Params, number: Tensor) -> Slope:
        if self._cut.views:
            return slope_by_views(self._recipe, task, params, number, self._cut.views, self._part)
        return self._slope(self._recipe, task, params, number)


class Stepper:
    """Takes the steps of runs of one recipe. `rates`: learning rate of every step, float32 [steps].

    One line goes to `notice` when the way changes. `way` is how steps are taken at present.
    """

    def __init__(self, recipe: Recipe, rates: Tensor, way: Way, notice: Notice) -> None:
        self.way = replace(way, cut=Cut(1, way.cut.views)) if recipe.deterministic else way
        self._recipe, self._rates, self._notice = recipe, rates, notice
        self._views = max((guide.views for guide in recipe.guides), default=1)
        self._program: Program | None = None
        self._rows: dict[bool, int] = {}  # of the parts of the first run: what the program is compiled for
        self._task: Task | None = None
        self._step: Step | None = None
        self._captured: CapturedStep | None = None
        self._taken = False  # whether a step was taken this way

    def begin(self, task: Task, last_part: bool = False) -> None:
        """The pictures of the steps to come. `last_part`: they are what is left of those before."""
        device = task.seeds.device
        self._task, self._step, self._captured, self._taken = task, None, None, False
        self._whole = self._rows.setdefault(last_part, len(task.seeds)) == len(task.seeds)
        self._rates = self._rates.to(device)
        self._numbers = torch.arange(len(self._rates), device=device)  # nothing is sent to the device during the run

    def take(self, state: RunState, step: int) -> tuple[RunState, Tensor, Tensor]:
        """Step number `step`: the state after it, the loss [B] and the canvas [B, 3, h, w] before it. A state that was
        returned may be overwritten by the next call."""
        while True:
            try:
                return self._attempt(state, self._numbers[step], self._rates[step])
            except Exception as error:
                self._give_way(error)
            # outside of the handler, where the error and all that it holds are gone
            self._step, self._captured, self._taken = None, None, False
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def put(self, state: RunState) -> RunState:
        """What to take the next step from instead of the state that `take` returned last: `state`, made of it."""
        return state if self._captured is None else self._captured.put(state)

    def _attempt(self, state: RunState, number: Tensor, rate: Tensor) -> tuple[RunState, Tensor, Tensor]:
        if self._captured is not None:
            return self._captured(number, rate)
        if self._step is None:
            self._step = self._make()
        if self._taken and self.way.graph and number.device.type == "cuda":
            self._captured = CapturedStep(self._step, state, number, rate)
            return self._captured(number, rate)
        after = self._step(state, number, rate)
        self._taken = True
        return after

    def _make(self) -> Step:
        assert self._task is not None, "begin comes first"
        if self.way.compiled and not self._whole:  # a last, smaller batch is not worth compiling
            return Program(self._recipe, self.way.cut, compiled=False).step_of(self._task)
        if self._program is None:
            self._program = Program(self._recipe, self.way.cut, self.way.compiled)
        return self._program.step_of(self._task)

    def _give_way(self, error: Exception) -> None:
        """Turns to a plainer way after an error, or raises it."""
        assert self._task is not None
        rows = len(self._task.seeds)
        if is_out_of_memory(error):
            cut = self.way.cut.halved(rows, self._views)
            if cut is None:
                raise error
            self._notice(f"the device ran out of memory; going on with {_describe(cut)}")
            self.way, self._program = replace(self.way, cut=cut), None
        elif isinstance(error, UserError):
            raise error
        elif self._taken and self._captured is None and self.way.graph:  # it was the recording
            self._notice(f"the step cannot be recorded as a CUDA graph ({first_line(error)}); going on without")
            self.way = replace(self.way, graph=False)
        elif self.way.compiled and not self._taken:
            if self.way.strict:
                raise UserError(
                    f"expected to compile the step, but that failed ({first_line(error)}); use --compile off"
                ) from error
            self._notice(f"the step could not be compiled ({first_line(error)}); going on without")
            self.way, self._program = replace(self.way, compiled=False), None
        else:
            raise error


def _describe(cut: Cut) -> str:
    """A cut for people."""
    if cut.views:
        return f"{cut.views} view{'s' * (cut.views > 1)} of one picture at a time"
    return f"{cut.rows} picture{'s' * (cut.rows > 1)} at a time"


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind where it has none; at most 160 letters."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
