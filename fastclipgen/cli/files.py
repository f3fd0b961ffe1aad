"""The files that a run writes: pictures, snapshots, films, a sheet. Checked before the work, saved when finished.

Knows nothing of how pictures are made or of what is printed beyond the paths.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fastclipgen.api import Job, Result
from fastclipgen.cli.generate import DEFAULT_OUTPUT
from fastclipgen.cli.report import Reporter
from fastclipgen.clip_gen.job import SampleJob
from fastclipgen.errors import UserError
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.outputs.images import DEFAULT_QUALITY, check_output, save_image, to_uint8
from fastclipgen.outputs.naming import NameFields, expand
from fastclipgen.outputs.video import DEFAULT_FPS, VideoWriter, sample_steps, steps_before_each

DEFAULT_FRAMES = 120


class Files:
    """What the output options ask for. Raises UserError for options that cannot be met or would have no effect."""

    def __init__(self, args: argparse.Namespace, reporter: Reporter) -> None:
        self.reporter = reporter
        self.template = args.output or DEFAULT_OUTPUT
        self.metadata = not args.no_metadata
        self.save_every, self.video, self.grid = args.save_every, args.video, args.grid
        self.quality = DEFAULT_QUALITY if args.quality is None else args.quality
        self.max_frames = DEFAULT_FRAMES if args.frames is None else args.frames
        self.as_zoomed = args.frames is None  # a frame for each zoom, where there are any
        self.fps = DEFAULT_FPS if args.fps is None else args.fps
        if self.save_every is not None and self.save_every < 1:
            raise UserError(f"expected --save-every of 1 step or more, got {self.save_every}")
        for name, value in (("--frames", args.frames), ("--fps", args.fps)):
            if value is not None and not self.video:
                raise UserError(f"{name} is about a film, but none is asked for; add --video PATH, or leave it out")
        check_output(self.template, quality=self.quality)
        if args.quality is not None and expand(self.template).suffix.lower() == ".png":
            raise UserError(
                f"--quality is for JPEG and WebP, but '{self.template}' is PNG, which loses nothing; "
                "name the output .jpg or .webp, or leave --quality out"
            )
        if self.video:
            VideoWriter(self.video, fps=self.fps)
            sample_steps(1, self.max_frames)
        if self.grid:
            check_output(self.grid)
        self._films: dict[int, VideoWriter] = {}
        self._frames: set[int] = set()
        self._sheet: list[Result] = []

    def check(self, job: Job | SampleJob) -> None:
        """Raises UserError for what only the finished settings show: sizes, settings too long for the format, and steps
        to show where there are none."""
        if isinstance(job, SampleJob) and not job.steps:
            for name, value in (("--save-every", self.save_every), ("--video", self.video)):
                if value:
                    raise UserError(
                        f"{name} shows steps, and generator clip-gen takes none without --refine; add that, or leave "
                        f"{name} out"
                    )
        config = job.config
        longest = max(job.pictures, key=lambda picture: len(picture.prompt))
        stored = {"settings": job.settings(longest), "clip": job.clips}
        size = (config.height or 1, config.width or 1)
        check_output(self.template, stored if self.metadata else None, quality=self.quality, size=size)
        if self.video:
            self._frames = sample_steps(job.steps, self.max_frames)
            if config.zoom_every and self.as_zoomed:
                self._frames = steps_before_each(job.steps, config.zoom_every)

    def after_step(self, job: Job | SampleJob, first: int, info: Any) -> None:
        """Snapshots and frames; `first`: index of the batch's first picture, info: engine.StepInfo."""
        done = info.step - 1  # the pictures at hand are those before the step, and the finished ones come later
        snapshot = self.save_every and done and done % self.save_every == 0
        if not snapshot and done not in self._frames:
            return
        for index, pixels in enumerate(to_uint8(info.images()), first):
            picture = job.pictures[index]
            fields = NameFields(picture.prompt, picture.seed, index, job.config.generator)
            if snapshot:
                tag = f"-step{done:05}"
                path = save_image(pixels, self.template, None, fields=fields, tag=tag, quality=self.quality)
                self.reporter.written("snapshot", str(path), step=done, index=index)
            if done in self._frames:
                self._film(index, fields).add(pixels)

    def finish(self, result: Result) -> None:
        """A finished picture, and its film."""
        path = result.save(self.template, metadata=self.metadata, quality=self.quality)
        self.reporter.picture(str(path), result)
        if self.video:
            film = self._film(result.index, result.fields)
            film.add(np.asarray(result.pixels))
            path = film.close()
            del self._films[result.index]
            self.reporter.written("video", str(path), index=result.index)
        if self.grid:
            self._sheet.append(result)

    def end(self) -> None:
        """The sheet of all pictures."""
        if self._sheet:
            sheet = contact_sheet([r.pixels for r in self._sheet], [r.prompt or "image prompt" for r in self._sheet])
            path = save_image(sheet, self.grid, None, fields=self._sheet[0].fields)
            self.reporter.written("grid", str(path))

    def discard(self) -> None:
        """Drops unfinished films; nothing of them is left on the disk."""
        for film in self._films.values():
            film.discard()

    def _film(self, index: int, fields: NameFields) -> VideoWriter:
        if index not in self._films:
            self._films[index] = VideoWriter(self.video, fields, fps=self.fps)
        return self._films[index]
