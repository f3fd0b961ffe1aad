"""Drawing scenes of the shapes world at random: which objects, where, on what ground. Knows no pixels and no words.

Scene number i of a seed is always the same, whatever batch it is drawn in: its numbers come from Philox keyed by
(seed, i).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

from fastclipgen.data.palette import COLOURS, TABLE
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.ops.philox import Stream, uniforms

PATTERNS: tuple[str, ...] = ("plain", "gradient", "striped", "dotted", "checkered")
SIZES: tuple[str, ...] = ("small", "medium", "large")
PLACES: tuple[str, ...] = (
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right",
)  # fmt: skip
RADII = np.array([[0.13, 0.19], [0.21, 0.30], [0.33, 0.43]], dtype=np.float32)  # of the picture's side, per size
# The facts of a scene, and what a caption may state of them (-1 there: not stated; here: does not apply).
FACTS: tuple[str, ...] = (
    "objects", "shape0", "colour0", "size0", "place", "shape1", "colour1", "axis", "pattern", "ground0", "ground1",
)  # fmt: skip
DRAWS = 48  # uniform numbers a scene takes
JITTER = 0.04  # of every colour channel


@dataclass
class Scenes:
    """A batch of n scenes. Lengths are fractions of the picture's side, x to the right and y down."""

    facts: np.ndarray  # int64 [n, 11], columns FACTS; axis 0: object 0 is left of object 1, axis 1: above
    centre: np.ndarray  # float32 [n, 2, 2], x and y of each object
    radius: np.ndarray  # float32 [n, 2]
    angle: np.ndarray  # float32 [n, 2], radians
    ink: np.ndarray  # float32 [n, 2, 3], colour of each object in 0..1
    ground: np.ndarray  # float32 [n, 2, 3], the two colours of the ground
    pitch: np.ndarray  # float32 [n], repeats of the pattern over the picture
    tilt: np.ndarray  # int64 [n], 0 horizontal, 1 vertical, 2 diagonal

    def __len__(self) -> int:
        return len(self.facts)

    def take(self, rows: np.ndarray) -> Scenes:
        """The scenes of the rows, in their order."""
        return Scenes(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def _pick(u: np.ndarray, weights: list[float]) -> np.ndarray:
    """Index of the interval that u in [0, 1) falls into, intervals as long as the weights."""
    edges = np.cumsum(weights) / np.sum(weights)
    return np.minimum(np.searchsorted(edges, u, side="right"), len(weights) - 1)


def _other(u: np.ndarray, n: int, *taken: np.ndarray) -> np.ndarray:
    """A number in 0..n-1, uniform over those that differ from all of `taken` (each an int array of u's shape)."""
    order = np.sort(np.stack(taken, 1), axis=1)
    value = np.floor(u * (n - 1)).astype(np.int64)
    if order.shape[1] == 1:
        return value + (value >= order[:, 0])
    distinct = np.where(order[:, 0] == order[:, 1], 1, 2)
    value = np.floor(u * (n - distinct)).astype(np.int64)
    value += value >= order[:, 0]
    return value + ((distinct == 2) & (value >= order[:, 1]))


def draw_scenes(seed: int, indices: np.ndarray) -> Scenes:
    """The scenes of the given indices (int [n], 0..2**32-1) under `seed` (0..2**31-1)."""
    keys = torch.from_numpy(np.asarray(indices, dtype=np.int64)) + (int(seed) << 32)
    u = uniforms(keys, 0, Stream.DATA, DRAWS)[:, 0].numpy()  # [n, DRAWS]
    n, colours = len(u), len(COLOURS)
    objects = np.where(u[:, 0] < 0.66, 1, 2)
    single = objects == 1

    pattern = _pick(u[:, 1], [0.50, 0.14, 0.12, 0.12, 0.12])
    ground0 = np.floor(u[:, 2] * colours).astype(np.int64)
    ground1 = _other(u[:, 3], colours, ground0)
    unordered = np.isin(pattern, [1, 2, 4])  # "red and blue stripes" are "blue and red stripes"
    low, high = np.minimum(ground0, ground1), np.maximum(ground0, ground1)
    ground0, ground1 = np.where(unordered, low, ground0), np.where(unordered, high, ground1)
    plain = pattern == 0
    blocked = np.where(plain, ground0, ground1)

    shape = np.floor(u[:, 4:6] * len(SHAPES)).astype(np.int64)
    colour = np.stack([_other(u[:, 6 + k], colours, ground0, blocked) for k in range(2)], 1)
    size = _pick(u[:, 8], [0.25, 0.45, 0.30])
    radius = RADII[size, 0] + u[:, 9] * (RADII[size, 1] - RADII[size, 0])
    place = np.where((u[:, 10] < 0.5) | (size == 2), 4, np.floor(u[:, 11] * 9).astype(np.int64))
    offset = np.stack([place % 3 - 1, place // 3 - 1], 1) * 0.26 + (u[:, 12:14] - 0.5) * 0.10
    limit = (0.5 - 0.92 * radius)[:, None]
    centre = np.zeros((n, 2, 2), dtype=np.float32)
    centre[:, 0] = 0.5 + np.clip(offset, -limit, limit)

    axis = np.where(u[:, 14] < 0.5, 0, 1)
    pair_radius = 0.14 + 0.07 * u[:, 15:17]
    apart = 0.24 + 0.03 * u[:, 17:19]
    across = (u[:, 19:21] - 0.5) * 0.16
    for k, side in enumerate((-1, 1)):
        along = 0.5 + side * apart[:, k]
        pair = np.where(
            axis[:, None] == 0, np.stack([along, 0.5 + across[:, k]], 1), np.stack([0.5 + across[:, k], along], 1)
        )
        centre[:, k] = np.where(single[:, None] & (k == 0), centre[:, k], pair)
    radii = np.where(single[:, None], radius[:, None], pair_radius).astype(np.float32)

    absent = np.full(n, -1)
    facts = np.stack([
        objects, shape[:, 0], colour[:, 0], np.where(single, size, -1), np.where(single, place, -1),
        np.where(single, absent, shape[:, 1]), np.where(single, absent, colour[:, 1]), np.where(single, absent, axis),
        pattern, ground0, np.where(plain, -1, ground1),
    ], 1)  # fmt: skip
    jitter = (u[:, 24:36].reshape(n, 4, 3) - 0.5) * 2 * JITTER
    return Scenes(
        facts=facts.astype(np.int64),
        centre=centre,
        radius=radii,
        angle=((u[:, 21:23] - 0.5) * 2 * np.deg2rad(10)).astype(np.float32),
        ink=np.clip(TABLE[colour] + jitter[:, :2], 0, 1).astype(np.float32),
        ground=np.clip(TABLE[np.stack([ground0, ground1], 1)] + jitter[:, 2:], 0, 1).astype(np.float32),
        pitch=(3 + np.floor(u[:, 36] * 3)).astype(np.float32),
        tilt=np.floor(u[:, 37] * 3).astype(np.int64),
    )
