"""Pictures to be measured: files, or scenes of the shapes world. Each knows a digest of its content.

A file is read once: what was digested is what is decoded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.listing import pictures_below
from fastclipgen.data.shapes import HELD_OUT_SEED, ShapesDataset
from fastclipgen.outputs.load import load_image
from fastclipgen.outputs.opening import read_file

SHAPES_SIZE = 64


class Opened(NamedTuple):
    """A picture that can be had: a digest of its content, and what decodes it to float32 [3, H, W] in 0..1."""

    digest: str
    load: Callable[[], Tensor]


@dataclass(frozen=True)
class Item:
    """A picture: its name for people, and what opens it, which raises UserError where that cannot be."""

    name: str
    open: Callable[[], Opened]


def files_of(places: Sequence[str | Path], what: str) -> list[Path]:
    """Files as they are, folders as the pictures in them, sorted; none twice. `what` names them in errors.

    Raises UserError for a folder without pictures; a file that does not exist is found out when it is opened.
    """
    found: list[Path] = []
    for place in places:
        path = Path(place).expanduser()
        found += pictures_below(path, what).paths if path.is_dir() else [path]
    return list({os.path.abspath(path): path for path in found}.values())


def items_of(files: Sequence[Path]) -> list[Item]:
    """Files as pictures, by their names."""
    return [Item(str(file), partial(_open, file)) for file in files]


def shapes_items(count: int, size: int = SHAPES_SIZE, seed: int = HELD_OUT_SEED) -> list[Item]:
    """The first pictures of a seed of the shapes world, `size` pixels square; by default one that nothing learns."""
    data = ShapesDataset(seed, size)
    return [Item(f"shapes {index}", partial(_scene, data, index)) for index in range(count)]


def _open(file: Path) -> Opened:
    content = read_file(file)
    return Opened(hashlib.sha256(content).hexdigest(), partial(load_image, file, data=content))


def _scene(data: ShapesDataset, index: int) -> Opened:
    def load() -> Tensor:
        return torch.from_numpy(data.images(np.array([index]))[0]).movedim(-1, 0).contiguous()

    return Opened(hashlib.sha256(f"shapes {data.seed} {data.size} {index}".encode()).hexdigest(), load)
