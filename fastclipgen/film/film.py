"""The pictures of a film, as a plan says them, through one `Job`: as many at once as fit, each saved when it is done.

What lies under a frame's name is done, and names appear with complete files only, so a film that was broken off,
however rudely, is gone on with by the same call.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastclipgen.api import Job, load_start
from fastclipgen.config.run import RunConfig
from fastclipgen.engine.engine import Callback
from fastclipgen.errors import UserError
from fastclipgen.film.kept import check_same, settings_in
from fastclipgen.film.plans import Frame, Plan
from fastclipgen.outputs.images import DEFAULT_QUALITY, check_output, to_uint8
from fastclipgen.outputs.load import load_image
from fastclipgen.outputs.video import DEFAULT_FPS, VideoWriter
from fastclipgen.result import Picture, Result

THREADS = 8  # that read and write pictures


class Made(NamedTuple):
    """A finished picture and its file."""

    path: Path
    result: Result


class Film:
    """A film that is ready to be made, or gone on with.

    config: the settings of all its pictures, with any of the sources as `init`; those without a seed get one for all,
    those without a size that of the first picture. generator, perceptors: as of `Job`. video: template of the film's
    file, .mp4, .gif or .webp, at `fps` pictures a second. Raises UserError for what cannot work, and where a part of
    the film was made with other settings. `skipped` says of sources that could not be made why.
    """

    def __init__(
        self,
        config: RunConfig,
        plan: Plan,
        *,
        generator: nn.Module | None = None,
        perceptors: Sequence[Any] | None = None,
        video: str | Path | None = None,
        fps: float = DEFAULT_FPS,
        quality: int = DEFAULT_QUALITY,
        notice: Callable[[str], None],
    ) -> None:
        _check(config)
        self.plan, self.quality, self.notice = plan, quality, notice
        self.video, self.fps = video, fps
        self.skipped: dict[Path, str] = {}
        self._threads = ThreadPoolExecutor(THREADS)  # files of a batch are as much work as a few steps on a GPU
        if video is not None:
            VideoWriter(video, fps=fps)
        check_output(_template(plan.targets[0][0]), quality=quality)
        kept = settings_in([target for stage in plan.targets for target in stage if target.exists()])
        todo = max(sum(not target.exists() for target in stage) for stage in plan.targets)
        source, height, width = self._first()
        asked: dict[str, Any] = {"init": str(source), "count": max(1, todo)}
        if config.seed is None:
            asked["seed"] = kept["seed"] if kept else secrets.randbits(32)
        if generator is None and config.width is None and config.height is None:
            asked |= {"width": width, "height": height}
        self.job = Job(config.model_copy(update=asked), generator=generator, perceptors=perceptors, notice=notice)
        if kept:
            check_same(kept, self.job.settings(self._picture(Frame(source, source), 0)), plan.targets[0][0].parent)

    @property
    def ticks(self) -> int:
        """How often callbacks will be called."""
        counts = [sum(not target.exists() for target in stage) for stage in self.plan.targets]
        return sum(-(-count // self.job.batch) for count in counts) * self.job.steps

    def run(
        self, callbacks: Sequence[Callback] = (), interrupted: Callable[[], bool] | None = None
    ) -> Iterator[list[Made]]:
        """Make and save what is missing, in batches. A batch that is interrupted, or stopped by a callback, is dropped
        and ends the run; the next one begins it again."""
        for stage in self.plan.stages():
            todo = [frame for frame in stage if not frame.target.exists()]
            for first in range(0, len(todo), self.job.batch):
                if interrupted is not None and interrupted():
                    return
                loaded = self._load(todo[first : first + self.job.batch])
                if not loaded:
                    continue
                pictures = [self._picture(frame, index) for index, (frame, _) in enumerate(loaded, first)]
                starts = torch.stack([start for _, start in loaded])
                [results] = self.job.optimise(pictures, None, callbacks, interrupted, starts)
                if results[0].steps < self.job.steps:
                    return
                yield self._save([frame for frame, _ in loaded], results)

    def join(self) -> Path | None:
        """The film's file, of all pictures that there are; None where none was asked for, or no picture is there."""
        if self.video is None:
            return None
        with VideoWriter(self.video, fps=self.fps) as writer:
            for path in self.plan.shown:
                if path.exists():
                    writer.add(to_uint8(load_image(path)))
            return writer.close(hold=False)

    def _first(self) -> tuple[Path, int, int]:
        """The first source that can be read, its height and width."""
        for source in self.plan.sources:
            try:
                height, width = load_image(source).shape[1:]
                return source, height, width
            except UserError as error:
                self._skip(source, str(error))
        raise UserError(f"none of the {len(self.plan.sources)} pictures can be read ({self.skipped.popitem()[1]})")

    def _load(self, frames: Sequence[Frame]) -> list[tuple[Frame, Tensor]]:
        """Those of the frames whose sources can be read, with their start pictures [3, H, W]."""

        def load(frame: Frame) -> Tensor | str:
            own = {"init": str(frame.source), "init_over": frame.over}
            try:
                start = load_start(self.job.config.model_copy(update=own), self.notice)
            except UserError as error:
                return str(error)
            assert start is not None, "settings with a start picture have one"
            return start

        loaded = []
        wanted = [frame for frame in frames if frame.source not in self.skipped]
        for frame, start in zip(wanted, self._threads.map(load, wanted), strict=True):
            if isinstance(start, str):
                self._skip(frame.source, start)
            else:
                loaded.append((frame, start))
        return loaded

    def _save(self, frames: Sequence[Frame], results: Sequence[Result]) -> list[Made]:
        good = []
        for frame, result in zip(frames, results, strict=True):
            if result.finite:
                good.append((frame, result))
            else:
                self._skip(frame.source, "its loss became NaN or infinite; lower the learning rate")

        def save(one: tuple[Frame, Result]) -> Made:
            frame, result = one
            return Made(result.save(_template(frame.target), quality=self.quality), result)

        return list(self._threads.map(save, good))

    def _skip(self, source: Path, why: str) -> None:
        if source not in self.skipped:
            self.skipped[source] = why
            self.notice(f"'{source}' is skipped: {why}")

    def _picture(self, frame: Frame, index: int) -> Picture:
        """All pictures have one seed: what differs between them should be what differs between their sources."""
        config = self.job.config
        prompt = config.prompts[0] if config.prompts else ""
        return Picture(prompt, config.seed or 0, index, str(frame.source), frame.over)


def _check(config: RunConfig) -> None:
    """Raises UserError for settings that have no meaning for a film."""
    if len(config.prompts) > 1 or config.count > 1:
        raise UserError(
            f"every picture becomes one, of one prompt, got {len(config.prompts)} prompts and count {config.count}; "
            "join prompts by '|', and give each further style an --out of its own"
        )
    if config.init_over:
        raise UserError("what lies over the frames of a film is decided by the film; leave init_over out")


def _template(path: Path) -> str:
    """The output template that means this very file."""
    return str(path).replace("{", "{{").replace("}", "}}")
