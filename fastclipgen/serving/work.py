"""From the settings of a request to something that draws: the one place that knows what kinds of requests there are.

Loads torch. Settings of a RunConfig are drawn here, experiments in experiment_work.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from fastclipgen.api import make_job
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.checks import check_names
from fastclipgen.config.resources import memory_errors
from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.config.sampling import CLIP_GEN
from fastclipgen.result import Picture, Result
from fastclipgen.serving.desk import Desk
from fastclipgen.serving.experiment_reading import ExperimentReader, is_experiment
from fastclipgen.serving.experiment_work import ExperimentWork
from fastclipgen.serving.limits import Limits, check
from fastclipgen.serving.places import Places

Callback = Callable[[Any], object]


class Work(Protocol):
    """What the thread that draws needs. `done`: indices of the run's pictures that are not drawn again; `ticks`: how
    often callbacks will be called for the others; `first`: the index of the first of those."""

    @property
    def device(self) -> torch.device: ...

    def first(self, done: Collection[int]) -> int: ...

    def ticks(self, done: Collection[int]) -> int: ...

    def run(
        self, done: Collection[int], callbacks: Sequence[Callback], interrupted: Callable[[], bool]
    ) -> Iterator[list[Result]]: ...


class Maker:
    """Checks requests, and makes work of them. device: where all of them are drawn."""

    def __init__(self, places: Places, limits: Limits, device: str = "auto") -> None:
        self._places, self._limits, self._device = places, limits, device
        self.reader = ExperimentReader(places, limits, device)

    def check(self, config: RunConfig) -> None:
        """Raises UserError for a request that this server does not take, without loading a model."""
        check(config, self._limits)
        located = self._places.located(config)
        if config.generator != CLIP_GEN:
            check_names(located, own_generator=False)

    def make(self, settings: dict[str, Any], notice: Callable[[str], None], desk: Desk) -> Work:
        """Loads the models. Raises UserError."""
        if is_experiment(settings):
            return ExperimentWork(settings, self.reader, notice, desk)
        return SettingsWork(settings, self._places, self._limits, self._device, notice)

    def as_asked(self, text: str) -> str:
        """A sentence for clients."""
        return self._places.as_asked(text)


class SettingsWork:
    """Draws the settings of a RunConfig."""

    def __init__(
        self, settings: dict[str, Any], places: Places, limits: Limits, device: str, notice: Callable[[str], None]
    ) -> None:
        asked = make_config(settings)
        located = places.located(asked)
        # the pictures keep the names that were asked for: where the files lie is the server's own business
        self._names = {
            name: getattr(asked, name)
            for name in RunConfig.model_fields
            if getattr(asked, name) != getattr(located, name)
        }
        with memory_errors():
            self._job = make_job(located.model_copy(update={"device": device}), notice=notice)
        check(self._job.config, limits)
        self.device = self._job.device

    def first(self, done: Collection[int]) -> int:
        return len(done)  # pictures are finished in order

    def ticks(self, done: Collection[int]) -> int:
        job = self._job
        return math.ceil(job.ticks(job.steps) * len(self._left(done)) / len(self._asked))

    def run(
        self, done: Collection[int], callbacks: Sequence[Callback], interrupted: Callable[[], bool]
    ) -> Iterator[list[Result]]:
        """Batches of pictures, in order, less those in `done`."""
        with memory_errors():
            for batch in self._job.draw(self._left(done), callbacks, interrupted):
                yield [self._as_asked(result) for result in batch]

    @property
    def _asked(self) -> list[Picture]:
        return self._job.asked if isinstance(self._job, SampleJob) else self._job.pictures

    def _left(self, done: Collection[int]) -> list[Picture]:
        each = len(self._job.pictures) // len(self._asked)  # that a sampling job keeps of what is asked for
        return [one for one in self._asked if not all(one.index * each + rank in done for rank in range(each))]

    def _as_asked(self, result: Result) -> Result:
        settings = result.metadata["settings"] | {
            name: value for name, value in self._names.items() if name in result.metadata["settings"]
        }
        return replace(result, metadata=result.metadata | {"settings": settings})


def file_name(result: Result) -> Path:
    """What the picture is called in the folder of its run."""
    return Path(f"{result.index:04}-{result.fields.values()['slug']}-{result.seed}.png")
