"""`fastclipgen bench clipig`: epochs of a YAML experiment, against the loop of the program whose grammar it is.

The experiment is that program's first example; loop_clipig.py says how it goes about it. All begin with the same
picture, see as many frames in each epoch, and take turns in one process. How much of the difference is waste is the
"fair loop"; the engine runs the file itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from fastclipgen.engine.compiled import obstacle, use_cache_folder
from fastclipgen.engine.device import resolve_device
from fastclipgen.engine.stepper import Stepper, Way
from fastclipgen.errors import UserError
from fastclipgen.experiments.job import ExperimentJob
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.scene import features_of
from fastclipgen.experiments.sources import shaped
from fastclipgen.recipes.documents import parse_document

from .loop_clipig import Berries, ClipigLoop
from .memory import peak_bytes
from .random_clip import PREFIX, random_perceptor
from .results import begin, finish
from .schema_base import Missing
from .schema_clipig import ClipigLane, ClipigReport
from .timing import Run, ratio, spread, time_blocks

TESTS = (
    "tests/experiments/test_course.py", "tests/experiments/test_scene.py", "tests/bench/test_clipig.py",
)  # fmt: skip
PUBLISHED, FAIR, ENGINE, COMPILED = "published loop", "fair loop", "engine", "engine, compiled"


class Subject:
    """The experiment under a CLIP, after its first epoch. clip: as of fastclipgen, or random:ARCHITECTURE."""

    def __init__(self, berries: Berries, clip: str, device: torch.device) -> None:
        self.berries = berries
        name = "builtin" if clip.startswith(PREFIX) else clip
        text = berries.yaml() + f"device: {device}\nmodel: {name}\n"
        eyes: list[Any] | None = [random_perceptor(clip, 0)] if clip.startswith(PREFIX) else None
        experiment = experiment_of(shaped(parse_document(text, "strawberries.yaml"), []))
        job = ExperimentJob(experiment, perceptors=eyes, notice=lambda line: None)
        self.clip, self.device, self.eye = clip, job.device, job.loaded[0].perceptor
        asked: list[None] = []
        for _ in job.run(interrupted=lambda: asked.append(None) or len(asked) > 1):
            pass
        self.recipe, _, self.task = job.under_way
        (carried,) = job.carry()
        assert carried is not None
        self.state, self.start, self.rates = carried.state, carried.start, job.rates

    def loop(self, wasteful: bool) -> ClipigLoop:
        text = (self.task.tables or {})[features_of(0, 0)][0, 0]
        return ClipigLoop(self.berries, self.eye, text, self.start[0], wasteful)


class ExperimentRun:
    """The subject's epochs by the engine; after the last the first follows. Raises UserError where steps cannot be
    taken as asked."""

    batch = 1

    def __init__(self, subject: Subject, compiled: bool) -> None:
        if compiled:
            use_cache_folder()
        self.epochs, self.epoch, self.state = subject.berries.epochs, 0, subject.state
        way = Way(compiled=compiled, strict=compiled, graph=True)
        self.stepper = Stepper(subject.recipe, subject.rates, way, _refuse)
        self.stepper.begin(subject.task)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.state, _, _ = self.stepper.take(self.state, self.epoch % self.epochs)
            self.epoch += 1


def _refuse(line: str) -> None:
    raise UserError(f"what was to be measured cannot be done: {line}")


def measure(args: argparse.Namespace) -> ClipigReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    header = begin(args, device, ("cutouts", "cosine_loss"), TESTS)
    subject = Subject(Berries(side=args.side, crop=min(224, args.side), frames=args.frames), args.clip, device)
    makers: dict[str, Callable[[], Run]] = {
        PUBLISHED: lambda: subject.loop(wasteful=True),
        FAIR: lambda: subject.loop(wasteful=False),
        ENGINE: lambda: ExperimentRun(subject, compiled=False),
    }
    missing = []
    if args.compile:
        reason = obstacle(device)
        if reason is None:
            makers[COMPILED] = lambda: ExperimentRun(subject, compiled=True)
        else:
            missing.append(Missing(what=COMPILED, reason=reason))
    runs = {name: make() for name, make in makers.items()}
    times = time_blocks(runs, device, args.repeats, args.block_seconds, warm_up=2)
    lanes = [
        ClipigLane(
            name=name,  # pyright: ignore[reportArgumentType]
            epoch=spread(times[name]) if device.type == "cuda" else None,
            faster=ratio(times[PUBLISHED], times[name]),
            peak_bytes=max(1, peak_bytes(lambda run=run: run.advance(1), device)),
        )
        for name, run in runs.items()
    ]
    return ClipigReport(**header, clip=args.clip, settings=asdict(subject.berries), lanes=lanes, missing=missing)


def table(report: ClipigReport) -> str:
    """The report for people."""
    where, asked = report.machine, report.settings
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"{asked['side']}x{asked['side']}, {asked['frames']} frames an epoch, clip {report.clip}; speed, the published "
        "loop is 1",
    ]
    for lane in report.lanes:
        seconds = f"  {1e3 * lane.epoch.median:.2f} ms an epoch" if lane.epoch else ""
        lines.append(
            f"{lane.name:18}{lane.faster.median:>8.2f}x{lane.faster.p5:>8.2f}x{lane.faster.p95:>8.2f}x"
            f"{lane.peak_bytes / 2**20:>9.1f} MiB{seconds}"
        )
    return "\n".join(lines + [f"not measured: {one.what}: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: ClipigReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("clipig", run))
