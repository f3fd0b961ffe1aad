"""Frames of 16 x 16 pixels, and the settings of films that take a blink each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn


class Eye(nn.Module):
    """Sees the colours of nine patches and wants red; notes how many views it saw at each call of a step."""

    image_size, name = 16, "Eye"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def encode_image(self, views: Tensor) -> Tensor:
        if views.requires_grad and not views.is_meta and len(views) > 1:  # one is the look at what was given
            self.seen.append(len(views))
        return nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[0.6, -0.4, -0.4]] * len(texts)).repeat_interleave(9, 1)


@pytest.fixture
def eye() -> Eye:
    return Eye()


@pytest.fixture
def settings(eye: Eye) -> dict[str, Any]:
    """Of a film whose pictures are the same to the bit, one by one."""
    return {
        "perceptors": [eye], "generator": "pixels", "views": 2, "cutouts": "gentle", "learning_rate": 0.05, "seed": 5,
        "steps": 2, "deterministic": True, "notice": lambda line: None,
    }  # fmt: skip


@pytest.fixture
def paint(tmp_path: Path) -> Callable[..., Path]:
    """`paint("frames/a.png", shade)`: a picture of noise, another for every shade, in tmp_path."""

    def make(name: str, shade: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(shade).integers(0, 255, (16, 16, 3), np.uint8)).save(path)
        return path

    return make


def read(path: Path) -> np.ndarray:
    """int16 [H, W, 3], so that differences have signs."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB")).astype(np.int16)
