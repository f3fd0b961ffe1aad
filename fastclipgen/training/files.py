"""The files of a training run, each of which appears complete or not at all: checkpoints, metrics, pictures."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image

from fastclipgen.outputs.atomic import writing_errors


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """What `write` writes under a temporary name in the same folder, then a rename: a kill leaves the old file or the
    new one. Raises UserError where it cannot be written."""
    temporary = path.with_suffix(".tmp")
    with writing_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """torch.save, by `replace_file`."""
    replace_file(path, lambda file: torch.save(state, file))


def save_picture(picture: np.ndarray, path: Path) -> None:
    """A PNG of uint8 [H, W, 3], by `replace_file`."""
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    replace_file(path, lambda file: file.write(png.getvalue()))


def add_metrics(path: Path, step: int, values: dict[str, float]) -> None:
    """One line of JSON more."""
    with writing_errors(path), open(path, "a") as file:
        file.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")


def forget_metrics_after(path: Path, step: int) -> None:
    """Drops the lines of later steps, which a resumed run writes again, and one that a kill cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:
            continue
    replace_file(path, lambda file: file.write("".join(line + "\n" for line in kept).encode()))
