"""Outlines: signed distances with known values, and shapes that fill their square and differ from each other."""

from __future__ import annotations

import numpy as np
import pytest

from fastclipgen.data.shapes_sdf import REACH, SHAPES, TABLE_SIZE, distance, polygon_distance, synonyms, tables


def test_square_distances() -> None:
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float32)
    x, y = np.array([0, 0.75, 2, 2, -1.0]), np.array([0, 0, 0, 2, 3.0])
    assert polygon_distance(x, y, square) == pytest.approx([-1, -0.25, 1, 2**0.5, 2])


def test_round_shapes() -> None:
    zero = np.zeros(1)
    assert distance("circle", zero, zero)[0] == pytest.approx(-0.97)
    assert distance("ring", zero, zero)[0] > 0.4  # its hole
    assert distance("ring", zero + 0.74, zero)[0] == pytest.approx(-0.24)
    assert distance("crescent", zero - 0.6, zero)[0] < 0 < distance("crescent", zero + 0.5, zero)[0]


def test_there_are_the_shapes_asked_for() -> None:
    assert {"circle", "square", "triangle", "star", "heart", "ring", "cross", "diamond"} < set(SHAPES)
    assert len(SHAPES) >= 10
    assert all(name in synonyms(name) for name in SHAPES)


def test_every_shape_fills_the_square_and_no_two_are_alike() -> None:
    atlas = tables()
    assert atlas.shape == (len(SHAPES), TABLE_SIZE, TABLE_SIZE)
    assert atlas.dtype == np.float32
    inside = atlas < 0
    axis = np.linspace(-REACH, REACH, TABLE_SIZE)
    for name, mask in zip(SHAPES, inside, strict=True):
        for side in (0, 1):
            along = axis[mask.any(axis=side)]
            assert np.abs(along).max() <= 1.09, name
            assert np.ptp(along) >= 1.38, name
    flat = inside.reshape(len(SHAPES), -1)
    overlap = (flat[:, None] & flat).sum(-1) / (flat[:, None] | flat).sum(-1)
    assert np.triu(overlap, 1).max() < 0.9
