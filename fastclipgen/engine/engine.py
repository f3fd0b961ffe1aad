"""The loop over steps: B pictures at once from their starts to the finished canvas. Knows no files, YAML or CLI.

>>> engine = Engine(recipe, rates)          # rates: learning rate of every step, float32 [steps]
>>> result = engine.run(task)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fastclipgen.engine.editing import edited, owned
from fastclipgen.engine.memory import is_out_of_memory
from fastclipgen.engine.race import Race
from fastclipgen.engine.readback import Readback
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import score
from fastclipgen.engine.step import RunState, begin, canvas, finish, with_origin
from fastclipgen.engine.stepper import EAGER, Notice, Stepper, Way
from fastclipgen.generators.base import Params
from fastclipgen.guidance.constraints import needs_start
from fastclipgen.ops.philox import Stream, words

START_BATCH = 256  # starts scored at once


@dataclass(frozen=True)
class StepInfo:
    """What a callback sees after a step. Tensors stay on the device: reading them is the callback's decision."""

    step: int  # steps done, 1..steps
    steps: int
    loss: Tensor  # [B], of the pictures before this step
    known: tuple[int, Tensor] | None  # the step and loss [B] that have reached the host: the newest, perhaps an older
    _canvas: Tensor = field(repr=False)
    _recipe: Recipe = field(repr=False)

    def images(self) -> Tensor:
        """The pictures [B, 3, H, W] in 0..1 that `loss` is the loss of."""
        return self._recipe.generator.publish(self._canvas)


Callback = Callable[[StepInfo], object]
"""Called after every step; returning True stops the run."""


@dataclass(frozen=True)
class EngineResult:
    """images [B, 3, H, W] in 0..1; loss [B] and similarities [B, P] for each perceptor, on the finished pictures seen
    whole; steps done; finite: bool [B], False for pictures that stopped at their last finite state."""

    images: Tensor
    loss: Tensor
    similarities: list[Tensor]
    steps: int
    finite: Tensor


class Engine:
    """Runs a recipe. `starts`: how many random starts of each picture are scored first; `tracks`: how many of the best
    of them are optimised, of which the best is published; `finalists`: how many of those go on after a part of the
    steps (race.py; None: all); `way`: how steps are taken; `notice` gets a line where that had to change."""

    def __init__(
        self,
        recipe: Recipe,
        rates: Tensor,
        starts: int = 1,
        tracks: int = 1,
        way: Way = EAGER,
        notice: Notice = lambda line: None,
        finalists: int | None = None,
    ) -> None:
        self.recipe, self.rates, self.starts, self.tracks = recipe, rates, max(starts, tracks), tracks
        self.finalists = finalists or tracks
        self.stepper = Stepper(recipe, rates, way, notice)

    def run(
        self,
        task: Task,
        params: Params | None = None,
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
    ) -> EngineResult:
        """Optimise the pictures of `task` from `params` (None: from their seeds).

        `interrupted` is asked before every step; when it says True the run ends with what there is.
        """
        pictures = len(task.seeds)
        seeds = self._best_starts(task) if params is None else None
        task, params = self.prepared(task, params, seeds)
        task, tracks = owned(self.recipe, task), len(task.seeds) // pictures
        state, done = begin(self.recipe, params), 0
        over = Readback(task.seeds.device)
        losses, race = Readback(task.seeds.device), Race(tracks, self.finalists, len(self.rates))
        self.stepper.begin(task)
        for step in range(len(self.rates)):
            if interrupted is not None and interrupted():
                break
            if edits := [edit for edit in self.recipe.edits if edit.due(step)]:
                state = self.stepper.put(edited(self.recipe, task, state, edits, self.stepper.way.cut.rows))
            state, loss, images = self.stepper.take(state, step)
            done = step + 1
            # of several tracks the callbacks see the first of each picture: the one with the best start, or standing
            losses.push(done, loss[::tracks])
            if callbacks:
                info = StepInfo(done, len(self.rates), loss[::tracks], losses.newest(), images[::tracks], self.recipe)
                stop = [callback(info) for callback in callbacks]  # all of them see every step
                if any(answer is True for answer in stop):
                    break
            if self.recipe.plateau and state.plateau is not None:
                over.push(done, self.recipe.plateau.over(state.plateau).all())
                known = over.newest()  # a few steps late where the host is ahead: what is over changes no more
                if known is not None and bool(known[1]):
                    break
            race.note(done, loss)
            if (finals := race.finals(done)) is not None:
                task, state, tracks = task.rows(finals), state.rows(finals), race.finalists
                self.stepper.begin(task, last_part=True)
        return self._publish(task, state, tracks, done)

    def prepared(self, task: Task, params: Params | None, seeds: Tensor | None = None) -> tuple[Task, Params]:
        """The task of every track and the parameters it begins with: `params` as they are, or those of `seeds`
        [B * tracks] (None: each picture's own seed for all its tracks)."""
        if params is None:
            index = torch.arange(len(task.seeds), device=task.seeds.device).repeat_interleave(self.tracks)
            task = task.rows(index)
            task = task if seeds is None else task._replace(seeds=seeds)
            generator = self.recipe.generator
            params = generator.init(task.seeds) if self.starts == 1 else generator.init_among_many(task.seeds)
        if task.fixed is not None:
            params = params | {name: task.fixed[name].clone() for name in self.recipe.generator.freed}
        if task.start is None and needs_start(self.recipe.constraints):
            with torch.no_grad():
                task = task._replace(start=canvas(self.recipe, task, params))
        return with_origin(self.recipe, task, params), params

    def _best_starts(self, task: Task) -> Tensor:
        """int64 [B * tracks]: for each picture the seeds of its best starts, best first; its own seed if only one."""
        if self.starts == 1:
            return task.seeds
        batch = len(task.seeds)
        # candidate 0 has the picture's own seed, the others seeds drawn from it: the same alone and in a batch
        candidates = words(task.seeds, 0, Stream.STARTS, self.starts)[:, 0]  # [B, starts]
        candidates = torch.cat([task.seeds[:, None], candidates[:, 1:]], dim=1)
        losses = []
        with torch.no_grad():
            for part in candidates.split(max(1, START_BATCH // batch), dim=1):
                losses.append(self._score_starts(task, part))
        order = torch.cat(losses, dim=1).argsort(dim=1, stable=True)[:, : self.tracks]
        return candidates.gather(1, order).reshape(-1)

    def _score_starts(self, task: Task, seeds: Tensor) -> Tensor:
        """The losses [B, n] of the starts with these seeds [B, n]; in halves where memory does not suffice."""
        try:
            index = torch.arange(len(seeds), device=seeds.device).repeat_interleave(seeds.shape[1])
            rows = task.rows(index)._replace(seeds=seeds.reshape(-1))
            images = self._preview(rows)
            return score(self.recipe, rows, images)[0].view(len(seeds), -1)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or seeds.shape[1] == 1:
                raise
        return torch.cat([self._score_starts(task, half) for half in seeds.chunk(2, dim=1)], dim=1)

    def _preview(self, task: Task) -> Tensor:
        """The starts of a task's seeds, perhaps smaller."""
        generator = self.recipe.generator
        if task.fixed is None:
            return generator.preview_among_many(task.seeds)
        return generator.preview(task.fixed | generator.init_among_many(task.seeds))

    @torch.no_grad()
    def _publish(self, task: Task, state: RunState, tracks: int, done: int) -> EngineResult:
        recipe = self.recipe
        drawn = canvas(recipe, task, finish(recipe, state))
        finite = drawn.flatten(1).isfinite().all(1)
        if not bool(finite.all()):  # the last step, whose loss nobody has seen, may break a picture too
            drawn = torch.where(finite[:, None, None, None], drawn, canvas(recipe, task, state.last))
        images = recipe.generator.publish(drawn)
        loss, similarities = score(recipe, task, images, max(done - 1, 0))
        best = torch.where(loss.isnan(), torch.inf, loss).view(-1, tracks).argmin(dim=1)
        best = best + tracks * torch.arange(len(best), device=best.device)
        return EngineResult(
            images[best], loss[best], [s[best] for s in similarities], done, (state.alive & finite)[best]
        )
