"""Sentences say what statements mean; statements are true of their scene, near misses false and one attribute off."""

from __future__ import annotations

import re
from random import Random

import numpy as np
import pytest

from fastclipgen.data import palette, shapes_sdf
from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes_captions import OBJECTS, RELATIONS, SIZE_WORDS, distract, say, state, true_of
from fastclipgen.data.shapes_scene import FACTS, PATTERNS, PLACES, SIZES, draw_scenes
from fastclipgen.data.shapes_sdf import SHAPES

N = 1500
_, SHAPE0, COLOUR0, SIZE0, PLACE, SHAPE1, COLOUR1, AXIS, PATTERN, GROUND0, GROUND1 = range(len(FACTS))
PATTERN_WORDS = {
    0: ("",),
    1: ("gradient",),
    2: ("striped", "stripes"),
    3: ("dotted", "dots"),
    4: ("checkered", "checks"),
}


@pytest.fixture(scope="module")
def facts() -> np.ndarray:
    return draw_scenes(11, np.arange(N)).facts


@pytest.fixture(scope="module")
def statements(facts: np.ndarray) -> np.ndarray:
    rng = Random(3)
    return np.stack([state(row, rng) for row in facts])


def has_word(sentence: str, words: tuple[str, ...]) -> bool:
    return any(re.search(rf"\b{re.escape(word)}\b", sentence) or not word for word in words)


def test_statements_are_true_and_say_something(facts: np.ndarray, statements: np.ndarray) -> None:
    true = true_of(statements, facts)
    assert true.shape == (N, N)
    assert true.diagonal().all()
    assert (statements >= 0).any(1).all()
    # most captions are told apart: a scene makes few statements of other scenes true
    assert true.mean() < 0.03
    full = (statements == facts)[:, SHAPE0:].all(1).mean()
    assert 0.02 < full < 0.9, "captions that say everything, and captions that do not"


def contents(said: np.ndarray) -> list:
    """A statement without the order of ground colours, which patterns that are no dots do not have."""
    grounds = [int(said[GROUND0]), int(said[GROUND1])]
    return [*said[:GROUND0].tolist(), sorted(grounds)]


def test_near_misses_differ_in_one_attribute_and_are_false(facts: np.ndarray, statements: np.ndarray) -> None:
    rng = Random(4)
    near = np.stack([distract(said, rng) for said in statements])
    assert not true_of(near, facts).diagonal().any()
    for said, other in zip(statements, near, strict=True):
        different = [a != b for a, b in zip(contents(said), contents(other), strict=True)]
        assert sum(different) == 1
        before, after = ({int(x[GROUND0]), int(x[GROUND1])} for x in (said, other))
        assert len(before ^ after) in (0, 2), "one ground colour is exchanged, not two"
        assert ((said < 0) == (other < 0)).all(), "nothing more and nothing less is said"
    changed = {column for said, other in zip(statements, near, strict=True) for column in np.flatnonzero(said != other)}
    assert changed == set(range(SHAPE0, len(FACTS))), "every kind of attribute is changed now and then"


def test_a_near_miss_could_be_a_scene(statements: np.ndarray) -> None:
    rng = Random(5)
    for said in statements:
        other = distract(said, rng)
        inks = {int(c) for c in other[[COLOUR0, COLOUR1]] if c >= 0}
        grounds = [int(c) for c in other[[GROUND0, GROUND1]] if c >= 0]
        assert not inks & set(grounds)
        assert len(set(grounds)) == len(grounds)
        assert not (other[PATTERN] in (1, 2, 4) and other[GROUND0] > other[GROUND1] >= 0)


def test_every_stated_attribute_is_in_the_sentence(statements: np.ndarray) -> None:
    rng = Random(6)
    for said in statements:
        sentence = say(said, rng)
        for column in (SHAPE0, SHAPE1):
            if said[column] >= 0:
                assert has_word(sentence, shapes_sdf.synonyms(SHAPES[said[column]])), (sentence, said)
        for column in (COLOUR0, COLOUR1, GROUND0, GROUND1):
            if said[column] >= 0:
                assert has_word(sentence, palette.synonyms(COLOURS[said[column]])), (sentence, said)
        if said[SIZE0] >= 0:
            assert has_word(sentence, SIZE_WORDS[SIZES[said[SIZE0]]]), (sentence, said)
        if said[PLACE] >= 0:
            place = PLACES[said[PLACE]]
            alternative = place.replace("top", "upper").replace("bottom", "lower").replace("center", "middle")
            assert has_word(sentence, (place, alternative)), (sentence, said)
        if said[AXIS] >= 0:
            assert has_word(sentence, sum((RELATIONS[int(said[AXIS]), swap] for swap in (False, True)), ()))
        if said[PATTERN] >= 0:
            assert has_word(sentence, PATTERN_WORDS[int(said[PATTERN])]), (sentence, said)
        else:
            assert not has_word(sentence, ("background", "backdrop", "ground", *PATTERNS[1:])), (sentence, said)


def test_sentences_are_grammatical_in_the_small(statements: np.ndarray) -> None:
    rng = Random(7)
    sentences = [say(said, rng) for said in statements]
    assert not [s for s in sentences if "  " in s or s != s.strip() or re.search(r"\ba [aeiou]|\ban [^aeiou]", s)]
    assert len(set(sentences)) > 0.95 * N, "wordings vary"


def statement(**values: int) -> np.ndarray:
    said = np.full(len(FACTS), -1)
    for name, value in values.items():
        said[FACTS.index(name)] = value
    return said


def wordings(said: np.ndarray) -> set[str]:
    return {say(said, Random(i)) for i in range(300)}


def test_the_prompts_of_the_drawing_test_are_wordings() -> None:
    red, blue, circle = COLOURS.index("red"), COLOURS.index("blue"), SHAPES.index("circle")
    said = statement(objects=1, shape0=circle, colour0=red, pattern=0, ground0=blue)
    assert "a red circle on a blue background" in wordings(said)


def test_relations_name_the_objects_in_the_right_order() -> None:
    star, square = SHAPES.index("star"), SHAPES.index("arrow")
    green, red = COLOURS.index("green"), COLOURS.index("red")
    said = statement(objects=2, shape0=star, colour0=green, shape1=square, colour1=red, axis=0)
    found = {s for s in wordings(said) if s.startswith("a ")}
    assert {"a green star left of a red arrow", "a red arrow right of a green star"} <= found
    assert not any("star right" in s or "arrow left" in s or "arrow to the left" in s for s in found)
    said[AXIS] = 1
    found = wordings(said)
    assert "a green star above a red arrow" in found
    assert "a red arrow below a green star" in found
    assert not any("star below" in s or "arrow above" in s for s in found)


def test_unordered_pairs_are_true_either_way_round() -> None:
    scene = np.array([[2, 0, 1, -1, -1, 3, 4, 0, 0, 5, -1]])
    pair = statement(objects=2, shape0=3, colour0=4, shape1=0, colour1=1)
    assert true_of(pair[None], scene).all()
    pair[AXIS] = 0  # now the order counts
    assert not true_of(pair[None], scene).any()
    assert true_of(statement(objects=2, shape0=0, colour0=1, shape1=3, colour1=4, axis=0)[None], scene).all()
    mixed = statement(objects=2, shape0=3, colour0=1, shape1=0, colour1=4)
    assert not true_of(mixed[None], scene).any()
    assert scene[0, OBJECTS] == 2
