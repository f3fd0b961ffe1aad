"""One run of the command line, from settings to files and the exit code: checks, steps, saving, interruption."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fastclipgen.api import Job, make_job
from fastclipgen.cli.files import Files
from fastclipgen.cli.report import Reporter
from fastclipgen.cli.tally import Tally
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.config.resources import memory_errors
from fastclipgen.config.run import RunConfig
from fastclipgen.stop import Stop
from fastclipgen.weights.transfer import bars


class Session:
    """`notices` are said first; `end`: stop after so many steps of the settings' own number, and save."""

    def __init__(
        self, config: RunConfig, args: argparse.Namespace, notices: Sequence[str] = (), end: int | None = None
    ) -> None:
        self.config, self.notices, self.end = config, notices, end
        self.reporter = Reporter(0, args.quiet, args.json)
        self.stop = Stop(self.reporter.notice)
        self.files = Files(args, self.reporter)
        self._step = 0  # steps done of the batch at hand
        self._tally = Tally()

    def run(self) -> int:
        """Returns the exit code. Raises UserError."""
        for line in self.notices:
            self.reporter.notice(line)
        try:
            with memory_errors():
                with bars(not self.reporter.quiet):
                    job = make_job(self.config, notice=self.reporter.notice)
                self.files.check(job)
                self._say_start(job)
                with self.stop:
                    self._make(job)
        finally:
            self.reporter.close()
            self.files.discard()
        self._tally.end(self.reporter, self.stop.asked, "lower --learning-rate or use --precision fp32")
        return self.stop.exit_code

    def _make(self, job: Job | SampleJob) -> None:
        """Runs the job and saves every batch as soon as it is finished."""

        def after_step(info: Any) -> bool:
            self.reporter.step(info)
            if info.loss is None:  # a token of samples that are no pictures yet
                return self.stop.asked
            self._step = info.step
            self.files.after_step(job, self._tally.saved, info)
            return False

        self.reporter.begin()
        for batch in job.run([after_step], self._is_over):
            self._step = 0
            for result in batch:
                self.files.finish(result)
                self._tally.note(result)
        self.files.end()

    def _is_over(self) -> bool:
        return self.stop.asked or (self.end is not None and self._step >= self.end)

    def _say_start(self, job: Job | SampleJob) -> None:
        config, last = job.config, job.pictures[-1].seed
        self.reporter.total = job.ticks(min(job.steps, self.end if self.end is not None else job.steps))
        clips = ", ".join(job.clips)
        seeds = f"seed {config.seed}" + (f"..{last}" if last != config.seed else "")
        settings = config.model_dump(mode="json")
        self.reporter.event("start", settings=settings, clip=job.clips, pictures=len(job.pictures))
        if not self.reporter.json:
            self.reporter.notice(f"{config.generator} under {clips}, {config.width}x{config.height}, {seeds}")
        if self.config.compile == "auto":
            chosen = job.compiling
            self.reporter.event("compile", on=chosen.on, why=chosen.why)
            if not self.reporter.json:
                self.reporter.notice(chosen.line)
