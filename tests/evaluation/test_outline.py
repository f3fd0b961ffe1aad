"""The best overlap of a mask with every shape."""

from __future__ import annotations

import numpy as np
import pytest

from fastclipgen.data.shapes_sdf import SHAPES, distance
from fastclipgen.evaluation.outline import overlaps


def drawn(shape: str, radius: float, turn: float = 0.0, left: float = 64.0, top: float = 64.0) -> np.ndarray:
    """bool [128, 128]; turn in degrees."""
    y, x = np.mgrid[:128, :128]
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    dx, dy = (x - left) / radius, (y - top) / radius
    return distance(shape, dx * cos + dy * sin, dy * cos - dx * sin) < 0


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_fits_itself_best_wherever_it_is(shape: str) -> None:
    for radius, turn, left, top in ((22, 0, 40, 80), (50, -13, 63.3, 62.8), (35, 14, 80, 47)):
        fits = overlaps(drawn(shape, radius, turn, left, top))
        assert SHAPES[fits.argmax()] == shape
        assert fits.max() > 0.93
        assert np.sort(fits)[-2] < 0.9


def test_a_shape_turned_too_far_does_not_fit() -> None:
    assert overlaps(drawn("arrow", 40, 60))[SHAPES.index("arrow")] < 0.8


def test_the_place_is_refined() -> None:
    """With a tail the middle and the area mislead; the shape still overlaps best where it is."""
    disc = drawn("circle", 22, left=40)
    tailed = disc.copy()
    tailed[61:66, 40:110] = True
    known = disc.sum() / tailed.sum()  # of the disc itself
    assert known < 0.88
    assert overlaps(tailed)[SHAPES.index("circle")] >= known - 0.005


def test_nothing_overlaps_with_an_empty_mask() -> None:
    assert not overlaps(np.zeros((16, 16), dtype=bool)).any()
    assert overlaps(np.ones((1, 1), dtype=bool)).shape == (len(SHAPES),)
