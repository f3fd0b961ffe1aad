"""Colour names: every named colour is its own nearest, and stays it under the jitter that scenes have."""

from __future__ import annotations

import numpy as np
import pytest

from fastclipgen.data.palette import COLOURS, RGB, TABLE, nearest_colour, synonyms, to_lab
from fastclipgen.data.shapes_scene import JITTER


def test_the_named_colours_are_themselves() -> None:
    assert nearest_colour(TABLE).tolist() == list(range(len(COLOURS)))
    assert nearest_colour(TABLE.reshape(3, 4, 3)).shape == (3, 4)


def test_jittered_colours_keep_their_names() -> None:
    rng = np.random.default_rng(0)
    jitter = rng.uniform(-JITTER, JITTER, (500, len(COLOURS), 3))
    named = nearest_colour(np.clip(TABLE + jitter, 0, 1))
    right = (named == np.arange(len(COLOURS))).mean(0)
    assert right.min() >= 0.99, dict(zip(COLOURS, right, strict=True))


def test_lab_of_known_colours() -> None:
    """White, black and pure red as in the CIE tables for D65."""
    lab = to_lab(np.array([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]]))
    assert lab == pytest.approx(np.array([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]]), abs=0.05)


def test_every_colour_has_its_own_name_among_the_synonyms() -> None:
    assert all(name in synonyms(name) for name in RGB)
    words = [{*synonyms(name)} for name in RGB]
    assert sum(map(len, words)) == len(set().union(*words)), "a word may mean one colour only"
