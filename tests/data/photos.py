"""Picture files for the tests of data sources, told apart by their colour."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def png(number: int, size: tuple[int, int] = (20, 16)) -> bytes:
    """A plain picture of (width, height) whose red channel is `number`."""
    file = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), (number, 100, 200), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def folder(root: Path, count: int) -> Path:
    """Pictures 000.png ... whose red channels are their numbers."""
    for number in range(count):
        write(root / f"{number:03}.png", png(number))
    return root
