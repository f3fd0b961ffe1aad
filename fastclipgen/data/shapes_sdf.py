"""Signed distance tables of the shapes: negative inside, positive outside. Knows nothing of colours or scenes.

Every shape lives in the square [-1, 1]^2 (y down) and is given with its distance on a square grid that reaches a little
further, so drawing a shape of any size, place and angle is one table look-up a pixel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SHAPES: tuple[str, ...] = (
    "circle", "square", "triangle", "star", "heart", "ring", "cross", "diamond", "crescent", "arrow",
)  # fmt: skip
SYNONYMS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "circle", "disc"),
    "square": ("square", "square", "box"),
    "ring": ("ring", "ring", "hoop"),
    "cross": ("cross", "cross", "plus sign"),
    "diamond": ("diamond", "diamond", "rhombus"),
    "crescent": ("crescent", "crescent moon", "moon"),
}
REACH = 1.3  # the tables cover [-REACH, REACH]^2
TABLE_SIZE = 512


def synonyms(name: str) -> tuple[str, ...]:
    """The words a caption may use for the shape `name`."""
    return SYNONYMS.get(name, (name,))


def polygon_distance(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Exact signed distance of points (x, y) to a simple polygon with corners [K, 2]."""
    best = np.full(x.shape, np.inf, dtype=np.float32)
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        t = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0, 1)
        best = np.minimum(best, (x - ax - t * ex) ** 2 + (y - ay - t * ey) ** 2)
        if ay != by:  # even-odd rule: one crossing of the ray to the right flips the side
            crosses = ((ay > y) != (by > y)) & (x < ex * (y - ay) / ey + ax)
            inside ^= crosses
    distance = np.sqrt(best)
    return np.where(inside, -distance, distance)


def corners(name: str) -> np.ndarray:
    """The outline of a polygonal shape, float32 [K, 2] in [-1, 1]^2 with y down."""
    if name == "square":
        points = [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)]
    elif name == "triangle":
        points = [(0, -0.95), (1, 0.8), (-1, 0.8)]
    elif name == "diamond":
        points = [(0, -1), (0.7, 0), (0, 1), (-0.7, 0)]
    elif name == "cross":
        w = 0.33
        points = [(-w, -1), (w, -1), (w, -w), (1, -w), (1, w), (w, w),
                  (w, 1), (-w, 1), (-w, w), (-1, w), (-1, -w), (-w, -w)]  # fmt: skip
    elif name == "arrow":
        points = [(0, -1), (0.85, -0.05), (0.32, -0.05), (0.32, 1), (-0.32, 1), (-0.32, -0.05), (-0.85, -0.05)]
    elif name == "star":
        turn = np.arange(10) * np.pi / 5
        radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
        return np.stack([radius * np.sin(turn), 0.08 - radius * np.cos(turn)], 1).astype(np.float32)
    elif name == "heart":  # the classic sine-cube curve, scaled into the square
        turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        x = 16 * np.sin(turn) ** 3
        y = -(13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn))
        return np.stack([x / 16.5, (y - 2.5) / 16.5], 1).astype(np.float32)
    else:
        raise KeyError(name)
    return np.array(points, dtype=np.float32)


def distance(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance of the points (x, y) to the shape `name`, of their shape, in units of the shape's radius."""
    if name == "circle":
        return np.hypot(x, y) - 0.97
    if name == "ring":
        return np.abs(np.hypot(x, y) - 0.74) - 0.24
    if name == "crescent":
        return np.maximum(np.hypot(x - 0.1, y) - 0.97, 0.76 - np.hypot(x - 0.5, y))
    return polygon_distance(x, y, corners(name))


@lru_cache(maxsize=1)
def tables() -> np.ndarray:
    """float32 [shapes, TABLE_SIZE, TABLE_SIZE]: the distance of every shape on the grid over [-REACH, REACH]^2."""
    axis = np.linspace(-REACH, REACH, TABLE_SIZE, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    return np.stack([distance(name, x, y) for name in SHAPES]).astype(np.float32)
