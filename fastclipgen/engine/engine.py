"""The loop over steps: B pictures at once from their starts to the finished canvas. Knows no files, YAML or CLI.

>>> engine = Engine(recipe, rates)          # rates: learning rate of every step, float32 [steps]
>>> result = engine.run(task)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fastclipgen.engine.step import Recipe, RunState, Task, begin, canvas, finish, score, take_step
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
    of them are optimised, of which the best is published."""

    def __init__(self, recipe: Recipe, rates: Tensor, starts: int = 1, tracks: int = 1) -> None:
        self.recipe, self.rates, self.starts, self.tracks = recipe, rates, max(starts, tracks), tracks

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
        if params is None:
            seeds = self._best_starts(task)  # [B * tracks]
            index = torch.arange(pictures, device=seeds.device).repeat_interleave(self.tracks)
            task = task.rows(index)._replace(seeds=seeds)
            generator = self.recipe.generator
            params = generator.init(seeds) if self.starts == 1 else generator.init_among_many(seeds)
        if task.start is None and needs_start(self.recipe.constraints):
            with torch.no_grad():
                task = task._replace(start=self.recipe.generator.canvas(params))
        tracks = len(task.seeds) // pictures
        state, done = begin(self.recipe, params), 0
        rates = self.rates.to(task.seeds.device)
        for step in range(len(rates)):
            if interrupted is not None and interrupted():
                break
            state, loss, images = take_step(self.recipe, task, state, step, rates[step])
            done = step + 1
            if callbacks:
                # of several tracks the callbacks see the first of each picture: the one with the best start
                info = StepInfo(done, len(rates), loss[::tracks], images[::tracks], self.recipe)
                stop = [callback(info) for callback in callbacks]  # all of them see every step
                if any(answer is True for answer in stop):
                    break
        return self._publish(task, state, tracks, done)

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
                index = torch.arange(batch, device=part.device).repeat_interleave(part.shape[1])
                rows = task.rows(index)._replace(seeds=part.reshape(-1))
                images = self.recipe.generator.preview_among_many(rows.seeds)
                losses.append(score(self.recipe, rows, images)[0].view(batch, -1))
        order = torch.cat(losses, dim=1).argsort(dim=1, stable=True)[:, : self.tracks]
        return candidates.gather(1, order).reshape(-1)

    @torch.no_grad()
    def _publish(self, task: Task, state: RunState, tracks: int, done: int) -> EngineResult:
        recipe = self.recipe
        drawn = canvas(recipe, task, finish(recipe, state))
        finite = drawn.flatten(1).isfinite().all(1)
        if not bool(finite.all()):  # the last step, whose loss nobody has seen, may break a picture too
            drawn = torch.where(finite[:, None, None, None], drawn, canvas(recipe, task, state.last))
        images = recipe.generator.publish(drawn)
        loss, similarities = score(recipe, task, images)
        best = torch.where(loss.isnan(), torch.inf, loss).view(-1, tracks).argmin(dim=1)
        best = best + tracks * torch.arange(len(best), device=best.device)
        return EngineResult(
            images[best], loss[best], [s[best] for s in similarities], done, (state.alive & finite)[best]
        )
