"""The loop over the epochs of a batch: phase after phase, each with a step of its own, the state handed on.

Knows no files and no YAML.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.config.aims import paste
from fastclipgen.engine.engine import Callback, StepInfo
from fastclipgen.engine.micro_batch import blocks
from fastclipgen.engine.readback import Readback
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import score
from fastclipgen.engine.step import RunState, begin, canvas, retouched
from fastclipgen.engine.stepper import Notice, Stepper, Way
from fastclipgen.experiments.drawing import Drawing, scaled
from fastclipgen.experiments.rates import optimizer_of
from fastclipgen.experiments.resizing import moved
from fastclipgen.experiments.scene import Scene, Seen
from fastclipgen.experiments.staging import Stage
from fastclipgen.experiments.timetable import Phase, Timetable
from fastclipgen.generators.base import Generator, Params

MOST_PROGRAMS = 8  # shapes of a run whose steps are compiled
SHORT = 8  # steps of a phase that are not worth recording as a CUDA graph


class Carried(NamedTuple):
    """Where a batch stopped: the epoch to come, its state, the generator that this is of, the pictures it began with
    [B, 3, H, W], and the optimiser's name."""

    epoch: int
    state: RunState
    generator: Generator
    start: Tensor
    optimizer: str


@dataclass(frozen=True)
class Drawn:
    """images [B, 3, H, W] in 0..1; loss [B] and cosines [B, F] for each model, of the targets open at the last epoch,
    on the finished pictures seen whole; epochs done; finite: bool [B]."""

    images: Tensor
    loss: Tensor
    similarities: list[Tensor]
    epochs: int
    finite: Tensor
    carried: Carried


class Course:
    """Runs batches of a timetable's pictures from epoch `first` on, by the same programs."""

    def __init__(
        self,
        timetable: Timetable,
        stage: Stage,
        drawing: Drawing,
        way: Way,
        notice: Notice,
        first: int,
    ) -> None:
        self.timetable, self.stage, self.first, self._drawing = timetable, stage, first, drawing
        self._notice, self._way = notice, way
        self.phases = timetable.phases(first)
        experiment, last = timetable.experiment, timetable.experiment.epochs - 1
        self._shapes = self.phases or [Phase(last, last, timetable.shape(last))]  # that of a run of no epoch
        self._compat, self._deterministic = experiment.compat, bool(experiment.settings.get("deterministic"))
        self._steppers: dict[Hashable, tuple[Recipe, Stepper]] = {}
        programs = len({phase.shape for phase in self.phases})
        if way.compiled and programs > MOST_PROGRAMS:
            notice(f"the run has {programs} different steps, too many to compile; going on without")
            self._way = replace(way, compiled=False)
        self._now: tuple[Recipe, Stepper, Task] | None = None

    def run(
        self,
        task: Task,
        start: Tensor,
        params: Params | None,
        carried: Carried | None = None,
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
    ) -> Drawn:
        """Takes every epoch of one batch. task: its seeds and tables, without start and mask; start: the pictures
        [B, 3, H, W] that it begins with; params: what draws them, None where it goes on from `carried`."""
        epochs, experiment = self.timetable.experiment.epochs, self.timetable.experiment
        done = epochs if carried is not None and not self.phases else self.phases[0].first
        state, generator = (None, None) if carried is None else (carried.state, carried.generator)
        fresh = carried is not None and carried.optimizer != experiment.optimizer
        losses, stopped = Readback(task.seeds.device), False
        for phase in self._shapes:
            recipe, stepper = self._of(phase)
            how = self.timetable.interpolations[min(phase.first, epochs - 1)]
            if state is None:
                assert params is not None
                if task.fixed is not None:
                    params = params | {name: task.fixed[name].clone() for name in recipe.generator.freed}
                state = begin(recipe, params)
            elif generator is not recipe.generator:
                fresh = fresh or (self._compat and generator is not None)
                assert generator is not None
                state = moved(state, generator, recipe, task.fixed, how, fresh)
            generator, fresh = recipe.generator, False
            task = self._masked(task, start, generator, how)
            stepper.begin(task)
            self._now = recipe, stepper, task
            for epoch in range(phase.first, phase.end):
                stopped = interrupted is not None and interrupted()
                if stopped:
                    break
                state, loss, images = self._take(recipe, stepper, task, state, epoch)
                done = epoch + 1
                losses.push(done, loss)
                info = StepInfo(done, epochs, loss, losses.newest(), images, recipe)
                answers = [callback(info) for callback in callbacks]  # all of them see every epoch
                stopped = any(answer is True for answer in answers)
                if stopped:
                    break
            if stopped:
                break
        assert state is not None
        assert generator is not None
        recipe, _, task = self.under_way
        return self._drawn(recipe, task, state, Carried(done, state, generator, start, experiment.optimizer))

    def _take(
        self, recipe: Recipe, stepper: Stepper, task: Task, state: RunState, epoch: int
    ) -> tuple[RunState, Tensor, Tensor]:
        """One epoch. While no target is open the optimiser rests, and there is only post-processing."""
        assert isinstance(recipe.objective, Scene)
        if recipe.objective.shots:
            return stepper.take(state, epoch)
        with torch.no_grad():
            state = state._replace(params=retouched(recipe, task, state.params, epoch))
            return state, torch.zeros(len(task.seeds), device=task.seeds.device), canvas(recipe, task, state.params)

    @property
    def under_way(self) -> tuple[Recipe, Stepper, Task]:
        """What steps are taken with, at the last epoch that was begun."""
        assert self._now is not None, "run comes first"
        return self._now

    @torch.no_grad()
    def rate(self, pictures: Tensor, task: Task) -> Tensor:
        """The losses [n] of pictures [n, 3, H, W], seen whole by the targets that are open at the first epoch; task: of
        as many rows."""
        recipe, _ = self._of(self._shapes[0])
        assert isinstance(recipe.objective, Scene)
        return recipe.objective.score(pictures, task, self._shapes[0].first)[0]

    @torch.no_grad()
    def look(self, info: StepInfo) -> tuple[Scene, list[list[Seen]]]:
        """What the targets see of the pictures of a step, piece by piece of the batch."""
        scene, parts = self._parts(info)
        return scene, [scene.look(images, task, info.step - 1) for images, task in parts]

    @torch.no_grad()
    def views(self, info: StepInfo) -> Tensor:
        """The frames that the first model sees of the pictures of a step, [B, N, 3, S, S]."""
        scene, parts = self._parts(info)
        return torch.cat([scene.views(images, task, info.step - 1) for images, task in parts])

    def _parts(self, info: StepInfo) -> tuple[Scene, list[tuple[Tensor, Task]]]:
        """The pictures of a step in the pieces in which they go through memory, with the task of each."""
        recipe, stepper, task = self.under_way
        assert isinstance(recipe.objective, Scene)
        parts, images = blocks(task, stepper.way.cut), info.images()
        return recipe.objective, list(zip(images.split([len(part.seeds) for part in parts]), parts, strict=True))

    def _of(self, phase: Phase) -> tuple[Recipe, Stepper]:
        if phase.shape not in self._steppers:
            mine = [range(one.first, one.end) for one in self.phases if one.shape == phase.shape]
            epochs = [epoch for part in mine for epoch in part] or [phase.first]
            generator, experiment = self._drawing.at(*self.timetable.size(epochs[0])), self.timetable.experiment
            recipe = Recipe(
                generator,
                (),
                optimizer_of(experiment.optimizer, experiment.compat),
                deterministic=self._deterministic,
                objective=self.stage.scene(epochs),
                retouch=self.stage.retouching(epochs, generator),
            )
            way = replace(self._way, graph=self._way.graph and phase.end - phase.first > SHORT)
            self._steppers[phase.shape] = recipe, Stepper(recipe, self.timetable.rates, way, self._notice)
        return self._steppers[phase.shape]

    @torch.no_grad()
    def _masked(self, task: Task, start: Tensor, generator: Generator, how: str) -> Task:
        """The task with what shows where the run's mask is black."""
        path = self.timetable.experiment.mask
        if path is None:
            return task
        height, width = generator.height, generator.width
        behind = scaled(start, height, width, how).clamp(0, 1)
        white = self.stage.mask(path, height, width).expand(len(start), -1, -1, -1)
        around = torch.ones(len(start), 1, *generator.canvas_size, device=start.device)
        wide = torch.full((len(start), 3, *generator.canvas_size), 0.5, device=start.device)
        return task._replace(start=paste(wide, behind), mask=paste(around, white))

    @torch.no_grad()
    def _drawn(self, recipe: Recipe, task: Task, state: RunState, carried: Carried) -> Drawn:
        drawn = canvas(recipe, task, state.params)
        finite = drawn.flatten(1).isfinite().all(1)
        drawn = torch.where(finite[:, None, None, None], drawn, canvas(recipe, task, state.last))
        images = recipe.generator.publish(drawn)
        loss, similarities = score(recipe, task, images, max(carried.epoch - 1, 0))
        return Drawn(images, loss, similarities, carried.epoch, state.alive & finite, carried)
