"""The files of a training run, each of which appears complete or not at all: checkpoints, metrics, pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastclipgen.outputs.atomic import replace_file, writing_errors


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
