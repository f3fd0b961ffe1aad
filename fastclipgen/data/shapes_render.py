"""Scenes -> pixels, antialiased, at any size and through any camera. Knows nothing of captions."""

from __future__ import annotations

import numpy as np

from fastclipgen.data.shapes_scene import Scenes
from fastclipgen.data.shapes_sdf import REACH, TABLE_SIZE, tables


def cameras(
    n: int, zoom: np.ndarray | float = 1.0, turn: np.ndarray | float = 0.0, shift: np.ndarray | float = 0.0
) -> np.ndarray:
    """Views of a scene as float32 [n, 2, 3]: output position (x, y, 1) in 0..1 -> scene position.

    zoom: fraction of the scene's side that is seen; turn: radians, about the centre; shift: [n, 2], of the side.
    """
    zoom, turn = np.broadcast_to(zoom, n), np.broadcast_to(turn, n)
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    linear = np.stack([np.stack([c, -s], 1), np.stack([s, c], 1)], 1)  # [n, 2, 2]
    origin = 0.5 + np.broadcast_to(shift, (n, 2)) - linear @ np.array([0.5, 0.5])
    return np.concatenate([linear, origin[:, :, None]], 2).astype(np.float32)


def _pattern(scenes: Scenes, rows: np.ndarray, x: np.ndarray, y: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """How much of the second ground colour each pixel has, float32 [rows, S, S] in 0..1."""
    kind = scenes.facts[rows[0], 8]
    pitch = scenes.pitch[rows, None, None]
    tilt = scenes.tilt[rows, None, None]
    soft = np.float32(0.5) / np.maximum(pixel * pitch * 2, 1e-6)  # sharpness of an edge one pixel wide
    if kind == 1:
        along = np.where(tilt == 0, y, np.where(tilt == 1, x, (x + y) * 0.5))
        return np.clip(along, 0, 1)
    if kind == 2:
        along = np.where(tilt == 0, y, np.where(tilt == 1, x, (x + y) * 0.70711)) * pitch
        wave = np.abs(along - np.floor(along) - 0.5) - 0.25
        return np.clip(0.5 + wave * 2 * soft, 0, 1)
    if kind == 3:
        u, v = x * pitch * 1.5, y * pitch * 1.5
        u, v = u - np.floor(u) - 0.5, v - np.floor(v) - 0.5
        return np.clip(0.5 + (0.3 - np.sqrt(u * u + v * v)) * soft * 1.4, 0, 1)
    u, v = x * pitch, y * pitch
    u, v = 0.25 - np.abs(u - np.floor(u) - 0.5), 0.25 - np.abs(v - np.floor(v) - 0.5)
    across, down = np.clip(u * 2 * soft, -0.5, 0.5), np.clip(v * 2 * soft, -0.5, 0.5)
    return 0.5 + 2 * across * down


def render(scenes: Scenes, size: int, camera: np.ndarray | None = None) -> np.ndarray:
    """float32 [n, size, size, 3] in 0..1. camera: [n, 2, 3] of `cameras`; None sees the whole scene."""
    n = len(scenes)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    if camera is None:
        x, y = (
            np.broadcast_to(axis[None, None, :], (n, size, size)),
            np.broadcast_to(axis[None, :, None], (n, size, size)),
        )
        pixel = np.full((n, 1, 1), 1 / size, dtype=np.float32)
    else:
        column, row = axis[None, None, :], axis[None, :, None]
        m = camera[:, :, :, None, None]
        x = m[:, 0, 0] * column + m[:, 0, 1] * row + m[:, 0, 2]
        y = m[:, 1, 0] * column + m[:, 1, 1] * row + m[:, 1, 2]
        pixel = np.hypot(camera[:, 0, 0], camera[:, 1, 0])[:, None, None] / size

    image = np.empty((n, 3, size, size), dtype=np.float32)
    image[:] = scenes.ground[:, 0, :, None, None]
    for kind in range(1, 5):
        rows = np.flatnonzero(scenes.facts[:, 8] == kind)
        if len(rows):
            mix = _pattern(scenes, rows, x[rows], y[rows], pixel[rows])[:, None]
            first, second = scenes.ground[rows, 0, :, None, None], scenes.ground[rows, 1, :, None, None]
            image[rows] = first + mix * (second - first)

    atlas = tables()
    scale = np.float32((TABLE_SIZE - 1) / (2 * REACH))
    for k in range(2):
        rows = np.flatnonzero(scenes.facts[:, 0] > k)
        if not len(rows):
            continue
        radius = scenes.radius[rows, k, None, None]
        cos, sin = np.cos(scenes.angle[rows, k, None, None]), np.sin(scenes.angle[rows, k, None, None])
        dx = (x[rows] - scenes.centre[rows, k, 0, None, None]) * (scale / radius)
        dy = (y[rows] - scenes.centre[rows, k, 1, None, None]) * (scale / radius)
        half = np.float32(REACH * scale + 0.5)  # +0.5: the cast below truncates, so it rounds
        column = np.clip(dx * cos + dy * sin + half, 0, TABLE_SIZE - 1).astype(np.int32)
        row = np.clip(dy * cos - dx * sin + half, 0, TABLE_SIZE - 1).astype(np.int32)
        shape = scenes.facts[rows, 1 if k == 0 else 5].astype(np.int32)[:, None, None]
        distance = atlas.reshape(-1)[(shape * TABLE_SIZE + row) * TABLE_SIZE + column]
        cover = np.clip(0.5 - distance * (radius / pixel[rows]), 0, 1)[:, None]
        ink = scenes.ink[rows, k, :, None, None]
        image[rows] += cover * (ink - image[rows])
    return image.transpose(0, 2, 3, 1)
