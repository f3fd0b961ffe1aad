"""One run of an experiment on the command line: checks, epochs, snapshots, what is saved, interruption."""

from __future__ import annotations

import argparse
import time
from typing import Any

from fastclipgen.cli.report import Reporter
from fastclipgen.cli.run_files import RunFiles
from fastclipgen.cli.tally import Tally
from fastclipgen.config.resources import memory_errors
from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.job import ExperimentJob
from fastclipgen.experiments.planning import LESS_MEMORY
from fastclipgen.stop import Stop
from fastclipgen.weights.transfer import bars

STATISTICS_EVERY = 4.0  # seconds


class RunSession:
    """`template`: of the names of the pictures."""

    def __init__(self, experiment: Experiment, args: argparse.Namespace, template: str) -> None:
        self.experiment = experiment
        self.reporter = Reporter(0, experiment.verbose < 1, args.json)
        self.stop = Stop(self.reporter.notice)
        self.files = RunFiles(template, experiment.snapshot_interval)
        self._said = 0.0
        self._lines: list[str] = []

    def run(self) -> int:
        """Returns the exit code. Raises UserError."""
        tally = Tally()
        try:
            with memory_errors(LESS_MEMORY):
                with bars(not self.reporter.quiet):
                    job = ExperimentJob(self.experiment, notice=self.reporter.notice)
                self.files.check(job)
                self._say_start(job)
                with self.stop:
                    self._make(job, tally)
        finally:
            self.reporter.close()
        tally.end(self.reporter, self.stop.asked, "lower learnrate or weights")
        return self.stop.exit_code

    def _make(self, job: ExperimentJob, tally: Tally) -> None:
        def after_step(info: Any) -> None:
            self.reporter.step(info)
            now = time.monotonic()
            talks = self.experiment.verbose > 1 and now - self._said >= STATISTICS_EVERY
            if talks or info.step == info.steps:
                self._said, self._lines = now, job.measure(info)
                self._say_statistics(info.step, talks)
            for path in self.files.after_step(job, tally.saved, info):
                self.reporter.event("snapshot", path=str(path), step=info.step - 1)

        self.reporter.begin()
        self._said = time.monotonic()
        for batch in job.run([after_step], lambda: self.stop.asked):
            for result in batch:
                path = self.files.finish(result, self._header(job, result.steps, tally.seconds))
                self.reporter.picture(str(path), result)
                tally.note(result)

    def _header(self, job: ExperimentJob, epochs: int, seconds: float) -> list[str]:
        """Comments of the file beside the picture."""
        done = max(1, epochs - self.experiment.start_epoch)
        return [
            f"made {time.strftime('%Y-%m-%d %H:%M:%S')} by fastclipgen run",
            f"epochs: {epochs} / {job.steps}",
            f"runtime: {seconds:.2f} seconds ({seconds / done:.3f} per epoch)",
            *self._lines,
        ]

    def _say_statistics(self, step: int, talks: bool) -> None:
        self.reporter.event("statistics", step=step, lines=self._lines)
        if talks and not self.reporter.json:
            for line in self._lines:
                self.reporter.notice(line)

    def _say_start(self, job: ExperimentJob) -> None:
        experiment, last = self.experiment, job.pictures[-1].seed
        self.reporter.total = job.ticks()
        clips = ", ".join(job.clips)
        self.reporter.event(
            "start", experiment=job.settings(job.pictures[0]), clip=job.clips, pictures=len(job.pictures)
        )
        self.reporter.event("compile", on=job.compiling.on, why=job.compiling.why)
        if not self.reporter.json:
            seeds = f"seed {job.seed}" + (f"..{last}" if last != job.seed else "")
            width, height = job.size
            self.reporter.notice(f"{experiment.generator} under {clips}, {width}x{height}, {seeds}")
            self.reporter.notice(job.compiling.line)
