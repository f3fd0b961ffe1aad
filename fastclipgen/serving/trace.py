"""How a run went, kept beside its pictures in the folder `trace`: its figures and the first snapshot of each picture.

A nicety: a disk that takes no more of it fails no run, whose pictures are there already. Knows no HTTP.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import replace_file
from fastclipgen.outputs.images import encode

_log = logging.getLogger("fastclipgen.serving")


class Trace:
    """folder: of the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "trace"

    def keep_starts(self, starts: Iterable[tuple[int, np.ndarray]]) -> None:
        """starts: indices of pictures and their first snapshots, uint8 [H, W, 3]."""
        for index, pixels in starts:
            self._write(self._start(index), encode(pixels, "PNG", {}))

    def keep_figures(self, points: Sequence[dict[str, Any]]) -> None:
        """points: as desk.Desk has them; where there are none nothing is written."""
        if points:
            self._write(self._figures, json.dumps(points).encode())

    def start(self, index: int) -> bytes | None:
        """The first snapshot of a picture as PNG; None where none was kept."""
        return _read(self._start(index))

    def figures(self) -> list[dict[str, Any]]:
        """As they were kept; none where they were not, or are no more what was written."""
        content = _read(self._figures)
        try:
            return [] if content is None else json.loads(content)
        except ValueError:
            return []

    @property
    def _figures(self) -> Path:
        return self._folder / "figures.json"

    def _start(self, index: int) -> Path:
        return self._folder / f"start-{index:04}.png"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            replace_file(path, lambda target: target.write(content))
        except UserError as error:
            _log.warning("how a run went is not kept: %s", error)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
