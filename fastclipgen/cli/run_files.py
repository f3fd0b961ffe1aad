"""The files of an experiment's run: each picture under one name, written again at every snapshot, and YAML beside it.

The name is the first free one when the picture is written first; nothing that was there before is overwritten. Knows
nothing of what is printed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fastclipgen.api import Result
from fastclipgen.engine.engine import StepInfo
from fastclipgen.experiments.job import ExperimentJob
from fastclipgen.experiments.sources import STORED
from fastclipgen.outputs.atomic import replace_file, write_file
from fastclipgen.outputs.images import FORMATS, check_output, encode, to_uint8
from fastclipgen.outputs.naming import NameFields, Target, expand


class RunFiles:
    """interval: between snapshots, seconds if it is a float, epochs if an int; 0: none. Raises UserError for a template
    that cannot be written."""

    def __init__(self, template: str, interval: int | float) -> None:
        self._template, self._interval = template, interval
        self._paths: dict[int, Path] = {}
        self._last = 0.0
        check_output(template)

    def check(self, job: ExperimentJob) -> None:
        """Raises UserError for what only the finished settings show: the size, and settings too long for the format."""
        width, height = job.size
        check_output(self._template, {STORED: job.settings(job.pictures[0])}, size=(height, width))

    def after_step(self, job: ExperimentJob, first: int, info: StepInfo) -> list[Path]:
        """A snapshot where one is due: before the first epoch, then at every interval. first: index of the batch's
        first picture. Returns what was written."""
        done, now = info.step - 1, time.monotonic()
        begins = first not in self._paths
        due = done % self._interval == 0 if isinstance(self._interval, int) and self._interval else False
        if isinstance(self._interval, float):
            due = now - self._last >= self._interval
        if not self._interval or not (begins or due):
            return []
        self._last = now
        return [
            self._write(job.pictures[index].index, pixels, None, self._fields(job, index))
            for index, pixels in enumerate(to_uint8(info.images()), first)
        ]

    def finish(self, result: Result, header: Sequence[str]) -> Path:
        """The finished picture, and the experiment beside it, where no such file is yet. Returns the picture's path."""
        path = self._write(result.index, result.pixels, result.metadata, result.fields)
        beside = path.with_suffix(".yaml")
        if not beside.exists():
            lines = "".join(f"# {' '.join(line.split())}\n" for line in header)
            text = f"{lines}\n{result.metadata[STORED]}"
            write_file(Target(beside.parent, beside.stem, beside.stem, beside.suffix), text.encode())
        return path

    def _fields(self, job: ExperimentJob, index: int) -> NameFields:
        picture = job.pictures[index]
        return NameFields(picture.prompt, picture.seed, index, job.experiment.generator)

    def _write(self, index: int, pixels: np.ndarray, metadata: dict | None, fields: NameFields) -> Path:
        """The picture under its name, or under the first free one the first time."""
        target = expand(self._template, fields)
        data = encode(pixels, FORMATS[target.suffix.lower()], metadata)
        if index in self._paths:
            replace_file(self._paths[index], lambda file: file.write(data))
        else:
            self._paths[index] = write_file(target, data)
        return self._paths[index]
