"""Scenes: the same for the same number whatever the batch, facts in range and consistent with the geometry."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from fastclipgen.data.palette import COLOURS, TABLE
from fastclipgen.data.shapes_captions import VALUES
from fastclipgen.data.shapes_scene import FACTS, JITTER, RADII, Scenes, draw_scenes

OBJECTS, SHAPE0, COLOUR0, SIZE0, PLACE, SHAPE1, COLOUR1, AXIS, PATTERN, GROUND0, GROUND1 = range(len(FACTS))


@pytest.fixture(scope="module")
def many() -> Scenes:
    return draw_scenes(5, np.arange(6000))


def test_a_scene_does_not_depend_on_its_batch(many: Scenes) -> None:
    rows = np.array([4321, 7, 7, 0])
    few = draw_scenes(5, rows)
    for field in fields(Scenes):
        assert np.array_equal(getattr(few, field.name), getattr(many, field.name)[rows]), field.name
        assert np.array_equal(getattr(many.take(rows), field.name), getattr(few, field.name)), field.name


def test_other_seeds_give_other_scenes(many: Scenes) -> None:
    other = draw_scenes(6, np.arange(6000))
    assert (other.centre != many.centre).any(axis=(1, 2)).mean() > 0.99
    # a seed is no offset of the numbers either
    assert not np.isin(other.radius[:, 0], many.radius[:, 0]).mean() > 0.05


def test_facts_are_in_range_and_all_values_occur(many: Scenes) -> None:
    facts = many.facts
    assert set(np.unique(facts[:, OBJECTS])) == {1, 2}
    for column in range(SHAPE0, len(FACTS)):
        stated = set(np.unique(facts[:, column])) - {-1}
        assert stated == set(range(VALUES[column])), FACTS[column]
    single = facts[:, OBJECTS] == 1
    assert (facts[single][:, [SHAPE1, COLOUR1, AXIS]] == -1).all()
    assert (facts[single][:, [SHAPE0, COLOUR0, SIZE0, PLACE]] >= 0).all()
    assert (facts[~single][:, [SIZE0, PLACE]] == -1).all()
    assert (facts[~single][:, [SHAPE1, COLOUR1, AXIS]] >= 0).all()
    assert ((facts[:, GROUND1] == -1) == (facts[:, PATTERN] == 0)).all()


def test_objects_never_have_a_colour_of_the_ground(many: Scenes) -> None:
    facts = many.facts
    grounds = facts[:, [GROUND0, GROUND1]]
    two = facts[:, OBJECTS] == 2
    assert not (facts[:, [COLOUR0]] == grounds).any()
    assert not (facts[two][:, [COLOUR1]] == grounds[two]).any()
    assert not (grounds[:, 0] == grounds[:, 1]).any()


def test_colours_are_the_named_ones_up_to_the_jitter(many: Scenes) -> None:
    for colours, column in ((many.ink[:, 0], COLOUR0), (many.ground[:, 0], GROUND0)):
        assert colours.min() >= 0
        assert colours.max() <= 1
        difference = np.abs(colours - TABLE[many.facts[:, column]])
        assert 0.9 * JITTER < difference.max() <= JITTER + 1e-6
    assert len(COLOURS) == 12


def test_geometry_agrees_with_the_facts(many: Scenes) -> None:
    facts, centre, radius = many.facts, many.centre, many.radius
    single = facts[:, OBJECTS] == 1
    low, high = RADII[facts[single, SIZE0]].T
    assert ((radius[single, 0] >= low) & (radius[single, 0] <= high)).all()
    side = centre[single, 0] - 0.5  # [n, 2], x and y
    for axis, place in ((0, facts[single, PLACE] % 3), (1, facts[single, PLACE] // 3)):
        assert (side[place == 0, axis] < -0.1).all()
        assert (side[place == 2, axis] > 0.1).all()
        assert (np.abs(side[place == 1, axis]) < 0.1).all()
    edge = np.abs(side).max(1) + 0.92 * radius[single, 0]
    assert edge.max() <= 0.5 + 1e-6
    for axis in (0, 1):  # left of, above
        pair = ~single & (facts[:, AXIS] == axis)
        apart = centre[pair, 1] - centre[pair, 0]
        assert apart[:, axis].min() > 0.4
        assert (radius[pair].sum(1) < apart[:, axis] + 0.01).all(), "two objects cover each other"
