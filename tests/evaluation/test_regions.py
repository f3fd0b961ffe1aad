"""Masks: shrinking, growing, and the largest piece against a plain search."""

from __future__ import annotations

import numpy as np
import pytest

from fastclipgen.evaluation.regions import dilate, erode, largest, opened


def pieces(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """The connected pieces, found by walking."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        edge, piece = [left.pop()], set()
        while edge:
            y, x = edge.pop()
            piece.add((y, x))
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
        found.append(piece)
    return found


@pytest.mark.parametrize("density", [0.1, 0.4, 0.55, 0.6, 0.7, 1.0])
def test_the_largest_piece_is_the_one_found_by_walking(density: float) -> None:
    rng = np.random.default_rng(int(density * 100))
    for shape in ((24, 17), (1, 30), (13, 1)):
        mask = rng.random(shape) < density
        found = {(int(y), int(x)) for y, x in np.argwhere(largest(mask))}
        known = pieces(mask)
        assert len(found) == max(map(len, known), default=0)
        assert found in known or not known


def test_a_long_winding_piece_is_one() -> None:
    mask = np.ones((31, 31), dtype=bool)
    mask[1::4, 1:] = mask[3::4, :-1] = False
    assert np.array_equal(largest(mask), mask)


def test_corners_do_not_connect() -> None:
    mask = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    assert largest(mask).sum() == 2
    assert not largest(mask & False).any()


def test_growing_and_shrinking() -> None:
    dot = np.zeros((7, 7), dtype=bool)
    dot[3, 3] = True
    assert dilate(dot, 2).sum() == 25
    assert np.array_equal(erode(dilate(dot, 2), 2), dot)
    assert erode(np.ones((3, 3), dtype=bool)).all()
    block = np.zeros((9, 9), dtype=bool)
    block[2:6, 2:6] = True
    line = block.copy()
    line[4, :] = True
    assert np.array_equal(opened(line)[:, [0, 8]], np.zeros((9, 2), dtype=bool))
    assert opened(line)[2:6, 2:6].all()
