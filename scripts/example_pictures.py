"""The pictures that files in examples/ read: shapes of the built-in world, and masks.

usage: python scripts/example_pictures.py [FOLDER]   (default: examples/pictures)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from fastclipgen.data.palette import RGB
from fastclipgen.data.shapes_sdf import distance

SIZE = 96
FINER = 4  # pixels are drawn so many times smaller and averaged, for soft outlines


def inside(shape: str, x: float, y: float, radius: float) -> np.ndarray:
    """[SIZE * FINER, SIZE * FINER] bool: where a shape is. Lengths are fractions of the picture's side, y down."""
    axis = (np.arange(SIZE * FINER, dtype=np.float32) + 0.5) / (SIZE * FINER)
    across, down = np.meshgrid(axis, axis)
    return distance(shape, (across - x) / radius, (down - y) / radius) < 0


def shrunk(pixels: np.ndarray) -> Image.Image:
    """A picture of uint8 pixels [SIZE * FINER, SIZE * FINER, ...] at SIZE."""
    return Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BOX)


def on_ground(shape: np.ndarray, ink: str, ground: str) -> Image.Image:
    """A shape in one named colour on another."""
    return shrunk(np.where(shape[:, :, None], RGB[ink], RGB[ground]).astype(np.uint8))


def mask(shape: np.ndarray) -> Image.Image:
    """White where the shape is, black around it."""
    return shrunk(np.where(shape, 255, 0).astype(np.uint8))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "examples/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "heart": on_ground(inside("heart", 0.5, 0.5, 0.32), "yellow", "purple"),
        "mask_middle": mask(inside("circle", 0.5, 0.5, 0.36)),
        "mask_left": mask(inside("square", 0.0, 0.5, 0.5 / 0.84)),  # the square's own sides are at 0.84 of its radius
        "mask_right": mask(inside("square", 1.0, 0.5, 0.5 / 0.84)),
    }
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
