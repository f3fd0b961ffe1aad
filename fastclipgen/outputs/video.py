"""Frames of a run to one video file, and which steps to take them from. Knows nothing of the run or of encoding."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import TracebackType

import numpy as np

from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import OutputFile, check_writable, writing_errors
from fastclipgen.outputs.encoders import MAX_FRAMES, MAX_SIDE, Animation, Mp4
from fastclipgen.outputs.naming import VIDEO_SUFFIXES, NameFields, expand

DEFAULT_FPS = 15.0
_MAX_FPS = {".mp4": 240.0, ".gif": 50.0, ".webp": 240.0}  # viewers slow faster GIFs down to 10


def sample_steps(total_steps: int, max_frames: int = MAX_FRAMES) -> set[int]:
    """At most `max_frames` of the steps 0 (the start) to `total_steps` (the finished picture), evenly spaced.

    Both ends are among them; a single frame is the finished picture. Raises UserError for fewer than one frame.
    """
    if max_frames < 1:
        raise UserError(f"a video needs at least one frame but {max_frames} was asked; give a larger number")
    if max_frames == 1:
        return {total_steps}
    gaps = max(1, min(max_frames - 1, total_steps))
    return {(2 * n * total_steps + gaps) // (2 * gaps) for n in range(gaps + 1)}


def steps_before_each(total_steps: int, every: int) -> set[int]:
    """The steps of a film with one frame before each multiple of `every`, when the picture is about to be zoomed, and
    the finished picture, `total_steps`, as the last."""
    return {step - 1 for step in range(every, total_steps, every)} | {total_steps}


class VideoWriter:
    """Collects frames and puts the finished video under the first free name of `template` (.mp4, .gif or .webp).

    Use as a context manager and call `close` for the path; an exception inside leaves no file. Constructing it
    fails with UserError for whatever would fail at the end: name, folder, frame rate, missing PyAV.
    """

    def __init__(
        self, template: str | Path, fields: NameFields | None = None, *, fps: float = DEFAULT_FPS, tag: str = ""
    ) -> None:
        self._target = expand(template, fields, VIDEO_SUFFIXES, tag)
        self._suffix = self._target.suffix.lower()
        if not 1.0 <= fps <= _MAX_FPS[self._suffix]:
            raise UserError(
                f"the frame rate of a {self._suffix} video must lie in 1..{_MAX_FPS[self._suffix]:g} but is {fps}"
            )
        if self._suffix == ".mp4" and importlib.util.find_spec("av") is None:
            raise UserError(
                f"writing '{self._target.path}' needs PyAV, which is not installed; "
                "run: pip install 'fastclipgen[video]', or choose .gif or .webp"
            )
        check_writable(template, fields, VIDEO_SUFFIXES)
        self._fps = fps
        self._file: OutputFile | None = None
        self._sink: Mp4 | Animation | None = None
        self._shape: tuple[int, ...] | None = None

    def add(self, frame: np.ndarray) -> None:
        """Appends a frame, uint8 [H, W, 3]; all frames have one size. In an MP4 an odd last row or column is doubled,
        since its colour format needs even sizes."""
        if self._file is None or self._sink is None:
            self._file = OutputFile(self._target)
            with writing_errors(self._target.path):
                kind = Mp4 if self._suffix == ".mp4" else Animation
                self._sink = kind(self._file.file, self._suffix, self._fps)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != (self._shape or frame.shape):
            raise ValueError(f"frames are uint8 [H, W, 3] of one size, but {frame.dtype} {frame.shape} came")
        self._shape = frame.shape
        if max(frame.shape) > MAX_SIDE:
            raise UserError(
                f"a video has at most {MAX_SIDE} pixels a side but {frame.shape[1]} x {frame.shape[0]} came; "
                "make the picture smaller"
            )
        with writing_errors(self._target.path):
            self._sink.add(frame)

    def close(self, hold: bool = True) -> Path | None:
        """Holds the last frame for a second unless told otherwise, finishes the file and returns its path; None if no
        frame came."""
        if self._file is None or self._sink is None:
            return None
        try:
            with writing_errors(self._target.path):
                self._sink.finish(hold)
            return self._file.commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Drops what was collected; nothing is left on the disk."""
        if self._file is not None:
            self._file.discard()
        self._file = self._sink = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.discard()
