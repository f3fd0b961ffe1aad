"""What tests of features are made with: picture files of one colour, and an extractor that counts its work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastclipgen.errors import UserError


def colours(folder: Path, values: Sequence[tuple[int, int, int]], size: int = 20) -> list[Path]:
    """Square pictures of one colour each, 00.png, 01.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:02}.png" for number in range(len(values))]
    for path, value in zip(paths, values, strict=True):
        Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(path)
    return paths


class Mean:
    """The mean colour of a picture; knows how many it has seen, and in batches of what size."""

    def __init__(self, key: str = "mean") -> None:
        self.key, self.seen, self.batches = key, 0, list[int]()

    def look(self, picture: Tensor) -> Tensor:
        if picture.shape[-1] < 4:
            raise UserError("too small to look at")
        return picture.mean((1, 2))

    def embed(self, looks: Tensor) -> Tensor:
        self.seen += len(looks)
        self.batches.append(len(looks))
        return torch.cat([looks, 1 - looks], 1)
