"""A painter that draws in no time, and batches to try it on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastclipgen.errors import UserError
from fastclipgen.jobs.claims import Stored
from fastclipgen.jobs.run import open_batch
from fastclipgen.jobs.store import Group
from fastclipgen.jobs.worker import Watch
from fastclipgen.result import Result

TOGETHER = 3
PATH = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])


class Fake:
    """A picture's bytes follow from its prompt, its seed, and whom it is drawn with, as a real one's rounding does."""

    def __init__(self, group: Group, device: str | None, notice: Callable[[str], None]) -> None:
        self.group, self.decided, self.together = group.id, group.decided or group.settings, TOGETHER
        if json.loads(group.settings)["steps"] == 13:
            raise UserError("thirteen steps cannot be")

    def draw(
        self, items: Sequence[Stored], callbacks: Sequence[Callable[[Any], object]], interrupted: Callable[[], bool]
    ) -> list[Result] | None:
        for callback in callbacks:
            callback(None)
        if interrupted():
            return None
        for item in items:
            if item.prompt == "boom":
                raise RuntimeError("the device fell over")
        together = str([tuple(item) for item in items]).encode()
        results = []
        for item in items:
            drawn = hashlib.sha256(together + str(item).encode()).digest()
            pixels = np.frombuffer(drawn[:12], np.uint8).reshape(2, 2, 3)
            finite = item.prompt != "nan"
            results.append(Result(pixels, item.prompt, item.seed, 0, 0.5, {}, 1, finite, {"settings": {}}))
        return results


def batch(tmp_path: Path, *prompts: str, **defaults: Any) -> Path:
    """A folder with a batch of these prompts."""
    file, folder = tmp_path / "batch.txt", tmp_path / "out"
    file.write_text("\n".join(prompts))
    open_batch(file, folder, {"count": 1, "seed": 1, **defaults})
    return folder


def watch(
    step: Callable[[Any], object] = lambda info: None,
    settled: Callable[[], object] = lambda: None,
    notice: Callable[[str], None] = lambda line: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Watch:
    return Watch(step, settled, notice, interrupted)


def pictures(folder: Path) -> dict[str, bytes]:
    """The files of the pictures by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def manifest_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
