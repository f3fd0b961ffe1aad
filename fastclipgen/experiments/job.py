"""An experiment as a job: models loaded, memory planned, batches run one after the other.

The interface is that of `api.Job` as far as both have the same: pictures, steps, clips, run. Writes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from fastclipgen.api import to_stderr
from fastclipgen.engine import compiled
from fastclipgen.engine.device import deterministic_mode, resolve_device, resolve_precision
from fastclipgen.engine.engine import Callback, StepInfo
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.stepper import Stepper, Way
from fastclipgen.errors import UserError
from fastclipgen.experiments.course import Carried, Course, Drawn
from fastclipgen.experiments.drawing import Drawing
from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.planning import check_phases, choose_compiling, plan_memory
from fastclipgen.experiments.scene import Eye, features_of
from fastclipgen.experiments.sources import STORED
from fastclipgen.experiments.staging import Stage
from fastclipgen.experiments.starting import Starts
from fastclipgen.experiments.statistics import Statistics
from fastclipgen.experiments.stored import prompt_of, stored
from fastclipgen.experiments.timetable import Timetable
from fastclipgen.generators.base import Params
from fastclipgen.guidance.targets import mixed
from fastclipgen.ops import library
from fastclipgen.outputs.images import to_uint8
from fastclipgen.perceptors import resolve
from fastclipgen.perceptors.auto import LoadedPerceptor, decided
from fastclipgen.perceptors.given import adopt, shown
from fastclipgen.result import Picture, Result

Carry = tuple[Carried | None, ...]
"""Where each batch of a job stopped; None for all but the last one that began: the states of all would fill the memory,
and those before it are finished (`run(first=...)` passes over them)."""


class ExperimentJob:
    """A run of an experiment, ready to start.

    Without models the experiment gets the one that `--clip auto` is: a real one if it is at hand, else the built-in.
    carry: what `carry()` of an earlier job gave: the pictures go on from where they were then, at the epoch to come,
    with the optimiser's state where its shape and kind are the same. loaded: the experiment's models, where they are
    loaded already; perceptors: modules to use instead of them, as of `api.Job`. Raises UserError for whatever cannot
    work, before the first step.
    """

    def __init__(
        self,
        experiment: Experiment,
        carry: Carry | None = None,
        *,
        loaded: Sequence[LoadedPerceptor] | None = None,
        perceptors: Sequence[Any] | None = None,
        notice: Callable[[str], None] = to_stderr,
    ) -> None:
        self.experiment, self.notice = experiment, notice
        settings = experiment.settings
        self.device = resolve_device(experiment.device)
        self._dtype = resolve_precision(settings.get("precision", "auto"), self.device)
        self._backend = settings.get("backend", "auto")
        self._deterministic = bool(settings.get("deterministic"))
        library.check_backend(self._backend, self.device)
        self._given = perceptors is not None
        if perceptors is not None:
            self.loaded = adopt(perceptors, self.device, self._dtype)
        elif loaded is not None:
            self.loaded = list(loaded)
        else:
            self.loaded = resolve(list(experiment.models), self.device, self._dtype, notice)
        # a picture that is made again is made under the same models, also where the file left them open
        self._models = [] if self._given else decided(list(experiment.models), self.loaded)
        self._eyes = [Eye(one.perceptor, one.weight) for one in self.loaded]
        self.seed = experiment.seed or 0
        self.pictures = [
            Picture(prompt_of(experiment, index), self.seed + index, index) for index in range(experiment.batch)
        ]
        seeds = torch.tensor([picture.seed for picture in self.pictures], dtype=torch.int64)
        self._whole = Timetable(experiment, seeds, self.device)
        self._drawing = Drawing(experiment.generator, settings, experiment.compat, self.device, self._dtype, notice)
        self._alike = self._whole.alike and self._whole.rates.ndim == 1
        check_phases(self._whole, self._drawing)
        with library.using(self._backend, self.device):
            plan = plan_memory(self._whole, self._drawing, self._eyes, self.device)
        self.batch = plan.pictures
        if carry is not None and len(carry) != self.batches:
            raise UserError(
                f"expected to go on with {len(carry)} batches of pictures, got {self.batches}; keep 'batch' as it was"
            )
        self._carry: list[Carried | None] = list(carry) if carry is not None else [None] * self.batches
        self.compiling = choose_compiling(self._whole, self._eyes, self.batch, self.batches, self.device, self._given)
        self._way = Way(plan.cut, self.compiling.on, strict=settings.get("compile") == "on", graph=not self._given)
        self.statistics = Statistics([timed.target for timed in self._whole.targets])
        self._course: Course | None = None

    @property
    def batches(self) -> int:
        """How many times the epochs are run: pictures that do not fit together go one batch after the other."""
        return -(-len(self.pictures) // self.batch)

    @property
    def steps(self) -> int:
        """Epochs of every picture, those before `start_epoch` too."""
        return self.experiment.epochs

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished pictures."""
        height, width = self._whole.size(self.experiment.epochs - 1)
        return width, height

    @property
    def clips(self) -> list[str]:
        """The models, as they are shown and stored."""
        return shown(self.loaded, self._given)

    @property
    def rates(self) -> Tensor:
        """The learning rate of each epoch: float32 [epochs] or [epochs, B], on the CPU."""
        return self._whole.rates

    @property
    def under_way(self) -> tuple[Recipe, Stepper, Task]:
        """What steps are taken with, at the last epoch that was begun."""
        assert self._course is not None, "run comes first"
        return self._course.under_way

    def ticks(self, first: int = 0) -> int:
        """How often callbacks will be called, from that batch on."""
        return sum(self.steps - self._first(number) for number in range(first, self.batches))

    def settings(self, picture: Picture) -> str:
        """The experiment as if this picture alone had been asked for, as YAML; what is stored in its file."""
        return stored(self.experiment, picture, self._models)

    def carry(self) -> Carry:
        """Where the last batch that began is, after `run` has ended or was broken off."""
        return tuple(self._carry)

    def measure(self, info: StepInfo) -> list[str]:
        """The statistics after a sample of what the targets see of the pictures of a step. Waits for the device."""
        assert self._course is not None
        scene, parts = self._course.look(info)
        for seen in parts:
            self.statistics.note(scene, seen)
        return self.statistics.lines

    def rate(self, epoch: int, row: int = 0) -> float:
        """The optimiser's rate at an epoch, of a picture of the run."""
        rates = self._whole.rates[min(epoch, self.steps - 1)]
        return float(rates if rates.ndim == 0 else rates[row])

    def views(self, info: StepInfo) -> Tensor:
        """The frames that the first model sees of the pictures of a step: float [B, N, 3, S, S] in 0..1, those of all
        open targets in their order."""
        assert self._course is not None
        return self._course.views(info)

    def run(
        self,
        callbacks: Sequence[Callback] = (),
        interrupted: Callable[[], bool] | None = None,
        first: int = 0,
    ) -> Iterator[list[Result]]:
        """Make the pictures, a batch at a time, in order. A batch that is interrupted gives what it has; no other
        begins after it. first: the batch to begin with; those before it are not made."""
        with self._modes():
            for number in range(first, self.batches):
                if number > first:
                    if interrupted is not None and interrupted():
                        return
                    self._carry[number - 1] = None
                pictures = self.pictures[number * self.batch : (number + 1) * self.batch]
                drawn = self._draw(number, pictures, callbacks, interrupted)
                self._carry[number] = drawn.carried
                yield [self._result(picture, drawn, row) for row, picture in enumerate(pictures)]

    def _first(self, number: int) -> int:
        """The epoch that a batch begins with."""
        carried = self._carry[number]
        return self.experiment.start_epoch if carried is None else min(carried.epoch, self.experiment.epochs)

    def _draw(
        self,
        number: int,
        pictures: Sequence[Picture],
        callbacks: Sequence[Callback],
        interrupted: Callable[[], bool] | None,
    ) -> Drawn:
        experiment, carried = self.experiment, self._carry[number]
        course, rows = self._course_of(pictures, self._first(number))
        timetable, seeds = course.timetable, course.timetable.seeds[rows].to(self.device)
        grey = torch.full((len(seeds), 3, 8, 8), 0.5, device=self.device)
        tables = course.stage.tables(grey, rows)  # scales of features may depend on the start, features do not
        task = Task(seeds, (), fixed=self._fixed(tables, timetable, len(rows)), tables=tables)
        if carried is not None:
            start, params = carried.start, None
        else:
            size = timetable.size(min(course.first, experiment.epochs - 1))
            starts = Starts(experiment, self._drawing.at(*size), self.notice)
            chosen = starts.chosen(task, course.rate)
            start = starts.pictures(chosen, task.fixed)
            params = starts.params(chosen, start)
        task = task._replace(tables=course.stage.tables(start, rows))
        return course.run(task, start, params, carried, callbacks, interrupted)

    def _course_of(self, pictures: Sequence[Picture], first: int) -> tuple[Course, list[int]]:
        """The course of these pictures, which then is the one under way, and the rows of its timetable that they are.
        One course serves all batches, so that steps are compiled once, unless its sizes or learning rates differ from
        picture to picture."""
        places = [picture.index for picture in pictures]
        if len(places) == len(self.pictures) or self._alike:
            if self._course is None or self._course.first != first:
                self._course = self._made_course(self._whole, range(len(self.pictures)), first)
            return self._course, places
        seeds = torch.tensor([picture.seed for picture in pictures], dtype=torch.int64)
        self._course = self._made_course(Timetable(self.experiment, seeds, self.device), places, first)
        return self._course, list(range(len(places)))

    def _made_course(self, timetable: Timetable, places: Sequence[int], first: int) -> Course:
        stage = Stage(timetable, self._eyes, self.device, self._deterministic, self.notice, places)
        return Course(timetable, stage, self._drawing, self._way, self.notice, first)

    def _fixed(self, tables: dict[str, Tensor], timetable: Timetable, pictures: int) -> Params | None:
        """What a conditional generator draws under: the direction of all features together, each with its first weight.
        Raises UserError where no model is the one that it was trained with."""
        generator = self._drawing.at(*timetable.size(self.experiment.start_epoch))
        if not generator.conditional:
            return None
        wanted = generator.embedding
        if not wanted:
            return generator.fixed(torch.zeros(pictures, 0, device=self.device))
        fitting = [k for k, eye in enumerate(self._eyes) if eye.perceptor.embed_dim == wanted]
        if not fitting:
            raise UserError(
                f"generator '{generator.name}' takes embeddings of {wanted} numbers, and no model gives such; add the "
                f"one that it was trained with: model: {generator.clip or 'NAME'}"
            )
        features = torch.cat([tables[features_of(n, fitting[0])] for n in range(len(timetable.targets))], 1)
        return generator.fixed(mixed(features, torch.ones(features.shape[:2], device=self.device)))

    def _result(self, picture: Picture, drawn: Drawn, row: int) -> Result:
        scores = {
            eye.perceptor.name: [round(float(value), 6) for value in values[row]]
            for eye, values in zip(self._eyes, drawn.similarities, strict=True)
        }
        loss, finite = round(float(drawn.loss[row]), 6), bool(drawn.finite[row])
        metadata = {
            "prompt": picture.prompt,
            STORED: self.settings(picture),
            "settings": {"generator": self.experiment.generator},
            "clip": self.clips,
            "epochs_done": drawn.epochs,
            "scores": {"loss": loss, "similarities": scores},
        }
        if self._given:
            metadata["given_in_python"] = ["perceptors"]
        pixels = to_uint8(drawn.images[row])
        return Result(pixels, picture.prompt, picture.seed, picture.index, loss, scores, drawn.epochs, finite, metadata)

    @contextmanager
    def _modes(self) -> Iterator[None]:
        """What a run sets for the whole process."""
        if self.compiling.on:
            compiled.use_cache_folder()
        with (
            library.using(self._backend, self.device),
            deterministic_mode() if self._deterministic else nullcontext(),
        ):
            yield
