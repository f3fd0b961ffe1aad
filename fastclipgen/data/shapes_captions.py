"""What can be said of a scene: statements (some of its facts) and the sentences that make them. Knows no pixels.

A statement is a row of integers with the columns of `shapes_scene.FACTS`, -1 where nothing is said. A scene makes a
statement true when every stated fact agrees. "on a blue background" states a plain ground.
"""

from __future__ import annotations

from random import Random

import numpy as np

from fastclipgen.data import palette, shapes_sdf
from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes_scene import FACTS, PATTERNS, PLACES, SIZES
from fastclipgen.data.shapes_sdf import SHAPES

OBJECTS, SHAPE0, COLOUR0, SIZE0, PLACE, SHAPE1, COLOUR1, AXIS, PATTERN, GROUND0, GROUND1 = range(len(FACTS))
VALUES = (2, len(SHAPES), len(COLOURS), 3, 9, len(SHAPES), len(COLOURS), 2, len(PATTERNS), len(COLOURS), len(COLOURS))
SWAPPED = [OBJECTS, SHAPE1, COLOUR1, SIZE0, PLACE, SHAPE0, COLOUR0, AXIS, PATTERN, GROUND0, GROUND1]

SIZE_WORDS = {"small": ("small", "small", "little", "tiny"), "medium": ("medium",), "large": ("large", "big", "huge")}
OPENINGS = (
    "",
    "",
    "",
    "",
    "a picture of ",
    "a drawing of ",
    "an image of ",
    "a photo of ",
    "a simple picture of ",
    "we see ",
)
BEHIND = ("background", "background", "background", "backdrop", "ground")
RELATIONS = {
    (0, False): ("left of", "to the left of"), (0, True): ("right of", "to the right of"),
    (1, False): ("above", "over", "on top of"), (1, True): ("below", "under"),
}  # fmt: skip


def state(facts: np.ndarray, rng: Random) -> np.ndarray:
    """A random true statement about one scene (facts: int [11]); most say nearly everything, some very little."""
    said = facts.copy()
    if said[OBJECTS] == 1:
        if said[SIZE0] == 1 or rng.random() < 0.5:
            said[SIZE0] = -1
        if (said[PLACE] == 4 and rng.random() < 0.9) or rng.random() < 0.3:
            said[PLACE] = -1
    elif rng.random() < 0.25:
        said[AXIS] = -1
    mode = rng.random()
    if mode < 0.12:  # nothing of the ground
        said[PATTERN:] = -1
    elif mode < 0.18 and said[PATTERN] != 0:  # its pattern only
        said[GROUND0:] = -1
    elif mode < 0.24:  # the ground only
        said[:PATTERN] = -1
    elif mode < 0.30 and said[OBJECTS] == 1:  # a shape without a colour
        said[COLOUR0] = -1
    elif mode < 0.36 and said[OBJECTS] == 1:  # a colour without a shape
        said[SHAPE0] = -1
    return said


def distract(said: np.ndarray, rng: Random, column: int | None = None) -> np.ndarray:
    """The statement with exactly one stated attribute changed to another value that a scene could have."""
    choices = [
        c
        for c in range(SHAPE0, len(FACTS))
        if said[c] >= 0 and not (c == PATTERN and said[GROUND0] >= 0 and said[c] == 0)
    ]
    if said[PATTERN] > 0 and said[GROUND0] >= 0:
        choices.remove(PATTERN)  # a changed pattern would change how its colours are worded as well
        choices.append(PATTERN)
    column = rng.choice(choices) if column is None else column
    other = said.copy()
    taken = {int(said[column])}
    if column in (COLOUR0, COLOUR1, GROUND0, GROUND1):
        grounds = (COLOUR0, COLOUR1) if column in (GROUND0, GROUND1) else (GROUND0, GROUND1)
        taken |= {int(said[c]) for c in grounds}
        if column in (GROUND0, GROUND1):
            taken.add(int(said[GROUND0 + GROUND1 - column]))
    low = 1 if column == PATTERN else 0
    other[column] = rng.choice([v for v in range(low, VALUES[column]) if v not in taken])
    if other[PATTERN] in (1, 2, 4) and other[GROUND0] > other[GROUND1] >= 0:
        other[[GROUND0, GROUND1]] = other[[GROUND1, GROUND0]]
    return other


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _thing(said: np.ndarray, k: int, rng: Random) -> str:
    shape, colour = said[SHAPE1 if k else SHAPE0], said[COLOUR1 if k else COLOUR0]
    words = []
    if k == 0 and said[SIZE0] >= 0:
        words.append(rng.choice(SIZE_WORDS[SIZES[said[SIZE0]]]))
    if colour >= 0:
        words.append(rng.choice(palette.synonyms(COLOURS[colour])))
    words.append(rng.choice(shapes_sdf.synonyms(SHAPES[shape])) if shape >= 0 else rng.choice(("shape", "object")))
    return _article(" ".join(words))


def _ground(said: np.ndarray, rng: Random) -> str:
    pattern, behind = said[PATTERN], rng.choice(BEHIND)
    if said[GROUND0] < 0:
        return f"{_article(PATTERNS[pattern])} {behind}"
    first = rng.choice(palette.synonyms(COLOURS[said[GROUND0]]))
    if pattern == 0:
        return f"{_article(rng.choice(('', '', '', 'plain ')) + first)} {behind}"
    second = rng.choice(palette.synonyms(COLOURS[said[GROUND1]]))
    if pattern == 3:
        return rng.choice(
            (f"{_article(first)} {behind} with {second} dots", f"{second} dots on {_article(first)} {behind}")
        )
    if rng.random() < 0.5:
        first, second = second, first
    if pattern == 1:
        return rng.choice((f"{_article(first)} and {second} gradient {behind}", f"a gradient from {first} to {second}"))
    noun = {2: "stripes", 4: "checks"}[int(pattern)]
    return rng.choice((f"{_article(first)} and {second} {PATTERNS[pattern]} {behind}", f"{first} and {second} {noun}"))


def say(said: np.ndarray, rng: Random) -> str:
    """A sentence that makes the statement (int [11]); which wording it gets is drawn from `rng`."""
    parts = []
    if said[OBJECTS] == 1:
        parts.append(_thing(said, 0, rng))
        if said[PLACE] >= 0:
            place = PLACES[said[PLACE]]
            place = rng.choice(("center", "middle")) if place == "center" else place
            if " " in place and rng.random() < 0.4:
                place = place.replace("top", "upper").replace("bottom", "lower") + " corner"
            parts.append(f"{'at' if place in ('top', 'bottom') else rng.choice(('in', 'in', 'at'))} the {place}")
    elif said[OBJECTS] == 2:
        first, second = _thing(said, 0, rng), _thing(said, 1, rng)
        swap = rng.random() < 0.5
        relation = (
            rng.choice(RELATIONS[int(said[AXIS]), swap]) if said[AXIS] >= 0 else rng.choice(("and", "next to", "with"))
        )
        parts.append(f"{second} {relation} {first}" if swap else f"{first} {relation} {second}")
    if said[PATTERN] >= 0:
        ground = _ground(said, rng)
        parts.append(
            ground if not parts else f"{rng.choice(('on', 'on', 'on', 'with', 'over', 'in front of'))} {ground}"
        )
    return rng.choice(OPENINGS) + " ".join(parts)


def true_of(statements: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Which scene makes which statement true: statements int [m, 11], facts int [n, 11] -> bool [n, m].

    A statement about two objects that says nothing of their order is true either way round.
    """

    def agrees(said: np.ndarray) -> np.ndarray:
        return ((said[None] < 0) | (said[None] == facts[:, None])).all(-1)

    either = (statements[:, OBJECTS] == 2) & (statements[:, AXIS] < 0)
    return agrees(statements) | (agrees(statements[:, SWAPPED]) & either[None])
