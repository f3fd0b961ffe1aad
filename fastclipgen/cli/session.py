"""One run of the command line: checks the outputs before the work, then saves pictures, snapshots, video and grid.

Ctrl-C ends the run after the step at hand and writes what there is (exit code 130); a second one ends at once.
"""

from __future__ import annotations

import argparse
import signal
from types import FrameType
from typing import Any

import numpy as np

from fastclipgen.api import Job, Result
from fastclipgen.cli.generate import DEFAULT_OUTPUT
from fastclipgen.cli.report import Reporter
from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.outputs.images import check_output, save_image, to_uint8
from fastclipgen.outputs.naming import NameFields
from fastclipgen.outputs.video import VideoWriter, sample_steps


class Session:
    """From settings and output options to files."""

    def __init__(self, config: RunConfig, args: argparse.Namespace, notices: list[str]) -> None:
        self.args, self.config, self.notices = args, config, notices
        self.output = args.output or DEFAULT_OUTPUT
        self.stopping = False
        if args.save_every < 0:
            raise UserError(f"expected --save-every of 0 (off) or more steps, got {args.save_every}")
        if args.frames < 1:
            raise UserError(f"expected --frames of 1 or more, got {args.frames}")
        check_output(self.output, quality=args.quality)
        if args.grid:
            check_output(args.grid)

    def run(self) -> int:
        args = self.args
        early = Reporter(0, args.quiet, args.json)
        for line in self.notices:
            early.notice(line)
        job = Job(self.config, notice=early.notice)
        config = job.config
        self.reporter = Reporter((config.steps or 0) * job.batches, args.quiet, args.json)
        check_output(
            self.output, self._sample_metadata(job), quality=args.quality, size=(config.height or 1, config.width or 1)
        )
        clips = ", ".join(one.description for one in job.loaded)
        last = job.pictures[-1].seed
        seeds = f"seed {config.seed}" + (f"..{last}" if last != config.seed else "")
        self.reporter.event("start", settings=config.model_dump(), clip=clips, pictures=len(job.pictures))
        if not args.json:
            self.reporter.notice(f"{config.generator} under {clips}, {config.width}x{config.height}, {seeds}")
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            results = self._pictures(job)
        finally:
            signal.signal(signal.SIGINT, before)
            self.reporter.close()
        broken = [result for result in results if not result.finite]
        if broken:
            raise UserError(
                f"the loss of {len(broken)} of {len(results)} pictures became NaN or infinite, and their last finite "
                "state was saved; lower --learning-rate or use --precision fp32"
            )
        return 128 + signal.SIGINT if self.stopping else 0

    def _pictures(self, job: Job) -> list[Result]:
        results: list[Result] = []
        batches = iter(range(0, len(job.pictures), job.batch))
        videos = self._videos(job)

        def after_step(info: Any) -> None:
            self.reporter.step(info)
            if self.args.save_every and info.step % self.args.save_every == 0 and info.step < info.steps:
                self._snapshots(job, first, info)
            if info.step - 1 in frames:
                self._frames(videos, first, info.images())

        frames = sample_steps(job.config.steps or 0, self.args.frames) if self.args.video else set()
        first = next(batches)
        try:
            for batch in job.run([after_step], lambda: self.stopping):
                for result in batch:
                    path = result.save(self.output, metadata=not self.args.no_metadata, quality=self.args.quality)
                    self.reporter.picture(str(path), result)
                    if result.index in videos:
                        videos[result.index].add(result.pixels)
                        self.reporter.saved("video", str(videos.pop(result.index).close()))
                results += batch
                first = next(batches, first)
        finally:
            for video in videos.values():
                video.discard()
        if self.args.grid and results:
            sheet = contact_sheet([r.pixels for r in results], [r.prompt or "image prompt" for r in results])
            path = save_image(sheet, self.args.grid, None, fields=results[0].fields)
            self.reporter.saved("grid", str(path))
        return results

    def _videos(self, job: Job) -> dict[int, VideoWriter]:
        if not self.args.video:
            return {}
        return {
            p.index: VideoWriter(self.args.video, self._fields(job, p.index), fps=self.args.fps) for p in job.pictures
        }

    def _fields(self, job: Job, index: int) -> NameFields:
        picture = job.pictures[index]
        return NameFields(picture.prompt, picture.seed, index, job.config.generator)

    def _snapshots(self, job: Job, first: int, info: Any) -> None:
        for row, pixels in enumerate(to_uint8(info.images())):
            path = save_image(
                pixels, self.output, None, fields=self._fields(job, first + row), tag=f"-step{info.step - 1:05}"
            )
            self.reporter.event("snapshot", path=str(path), step=info.step - 1)

    @staticmethod
    def _frames(videos: dict[int, VideoWriter], first: int, images: Any) -> None:
        for row, pixels in enumerate(np.asarray(to_uint8(images))):
            videos[first + row].add(pixels)

    @staticmethod
    def _sample_metadata(job: Job) -> dict[str, Any]:
        return {"settings": job.config.model_dump(), "clip": [one.description for one in job.loaded]}

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.reporter.notice("stopping after this step; what there is will be saved (Ctrl-C again to stop at once)")
