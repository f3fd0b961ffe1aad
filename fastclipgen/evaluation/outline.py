"""Which shape a mask has: its overlap with every shape of the shapes world. Knows nothing of colours or pictures.

A shape is laid over the mask with the mask's area and centre of mass, at several angles; the best place of every
shape is then refined in size, position and angle. All shapes and tries of a round are one look-up in the tables.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastclipgen.data.shapes_sdf import REACH, TABLE_SIZE, tables

MAX_TURN = np.deg2rad(15)
ANGLES = np.linspace(-MAX_TURN, MAX_TURN, 7)
STEPS = (3.0, 2.0, 1.0, 1.0, 0.5, 0.25)  # of the refinement, times 6 % in size, 5 % of the radius in place, 4 degrees
POINTS = 1500  # of the mask, that the search looks at


def overlaps(mask: np.ndarray) -> np.ndarray:
    """float64 [shapes]: for each of SHAPES the best intersection over union with the mask (bool [H, W]), 0..1.

    The search covers shift, size and turns of up to 15 degrees either way. An empty mask overlaps with nothing.
    """
    y, x = np.nonzero(mask)
    if not len(x):
        return np.zeros(len(tables()))
    area, few = len(x), slice(None)
    if area > POINTS:  # a fixed scatter of its pixels: every k-th would keep whole columns or leave them out
        few = np.random.Generator(np.random.PCG64(0)).permutation(area)[:POINTS]
    points = np.stack([x, y], 1).astype(np.float32)
    unit_area, centroid = _moments()
    shapes = np.arange(len(unit_area))[:, None]
    radius = np.sqrt(area / unit_area)[:, None]  # [shapes, 1]

    turn = np.broadcast_to(ANGLES, (len(unit_area), len(ANGLES)))
    size = np.broadcast_to(radius, turn.shape)
    cos, sin = np.cos(turn) * size, np.sin(turn) * size
    left = x.mean() - (cos * centroid[:, :1] - sin * centroid[:, 1:])
    top = y.mean() - (sin * centroid[:, :1] + cos * centroid[:, 1:])
    place = np.stack([left, top, size, turn], 2)  # [shapes, tries, 4]
    tries = np.concatenate([np.zeros((1, 4)), np.eye(4), -np.eye(4)])
    for step in STEPS:
        best = _overlap(place, points[few], area).argmax(1)
        place = np.take_along_axis(place, best[:, None, None], 1)  # [shapes, 1, 4]
        scale = np.concatenate([0.05 * radius, 0.05 * radius, 0.06 * radius, np.full_like(radius, np.deg2rad(4))], 1)
        place = place + step * scale[:, None] * tries
        place[..., 3] = place[..., 3].clip(-MAX_TURN, MAX_TURN)
    best = _overlap(place, points[few], area).argmax(1)
    return _overlap(place[shapes[:, 0], best][:, None], points, area)[:, 0]


def _overlap(place: np.ndarray, points: np.ndarray, area: int) -> np.ndarray:
    """Intersection over union, float64 [shapes, tries], of the shapes at place [shapes, tries, 4] (centre x and y,
    radius, turn) with a mask of `area` pixels, of which `points` [P, 2] are a fair sample."""
    unit_area, _ = _moments()
    left, top, size, turn = np.moveaxis(place.astype(np.float32), 2, 0)[..., None]  # [shapes, tries, 1]
    scale = np.float32((TABLE_SIZE - 1) / (2 * REACH)) / size
    dx, dy = (points[:, 0] - left) * scale, (points[:, 1] - top) * scale
    half = np.float32((TABLE_SIZE - 1) / 2 + 0.5)  # +0.5: the cast below truncates, so it rounds
    cos, sin = np.cos(turn), np.sin(turn)
    column = (dx * cos + dy * sin + half).clip(0, TABLE_SIZE - 1).astype(np.int32)
    row = (dy * cos - dx * sin + half).clip(0, TABLE_SIZE - 1).astype(np.int32)
    first = np.arange(len(place), dtype=np.int32)[:, None, None] * TABLE_SIZE
    inside = _inside()[(first + row) * TABLE_SIZE + column]
    both = inside.mean(-1) * area  # pixels
    return both / (unit_area[:, None] * place[..., 2] ** 2 + area - both)


@lru_cache(maxsize=1)
def _inside() -> np.ndarray:
    """bool [shapes * TABLE_SIZE * TABLE_SIZE]: where the shapes are."""
    return (tables() < 0).reshape(-1)


@lru_cache(maxsize=1)
def _moments() -> tuple[np.ndarray, np.ndarray]:
    """Area [shapes] and centre of mass [shapes, 2] (x, y) of shapes of radius 1."""
    inside = _inside().reshape(-1, TABLE_SIZE, TABLE_SIZE)
    axis = np.linspace(-REACH, REACH, TABLE_SIZE)
    count = inside.sum((1, 2))
    centre = np.stack([inside.sum(1) @ axis, inside.sum(2) @ axis], 1) / count[:, None]
    return count * (axis[1] - axis[0]) ** 2, centre
