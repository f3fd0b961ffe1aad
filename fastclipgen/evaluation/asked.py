"""What the judge can be asked of a prompt: a prompt of the shapes world that names all it measures, and nothing else.

Knows no pictures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from fastclipgen.data import palette, shapes_sdf
from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes_captions import BEHIND, OPENINGS
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.errors import UserError
from fastclipgen.evaluation.report import Question
from fastclipgen.guidance.prompts import parse_prompts


def question_in(prompt: str) -> Question | None:
    """The question that a prompt asks, if it is one text such as "a red circle on a blue background", in the wordings
    of the world's captions; else None.

    Sizes, places, patterns and second objects are not measured, so a prompt that asks for them has no verdict; neither
    have prompts joined by "|", stories, prompts to move away from, and such with the same colour twice.
    """
    try:
        parts = parse_prompts(prompt)
    except UserError:
        return None
    if len(parts) != 1 or parts[0].weight <= 0 or parts[0].stop != -math.inf:
        return None
    found = _SENTENCE.fullmatch(" ".join(parts[0].text.lower().rstrip(".! ").split()))
    if found is None:
        return None
    asked = Question(_SHAPE[found["shape"]], _COLOUR[found["colour"]], _COLOUR[found["background"]])
    return asked if asked.colour != asked.background else None


def _meanings(names: Sequence[str], synonyms: Callable[[str], Sequence[str]]) -> dict[str, str]:
    return {word: name for name in names for word in synonyms(name)}


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=len, reverse=True))


_SHAPE = _meanings(SHAPES, shapes_sdf.synonyms)
_COLOUR = _meanings(COLOURS, palette.synonyms)
_SENTENCE = re.compile(
    rf"(?:{_any_of(OPENINGS)})(?:an? )?(?P<colour>{_any_of([*_COLOUR])}) (?P<shape>{_any_of([*_SHAPE])})"
    rf" (?:on|with|over|in front of) (?:an? )?(?:plain )?(?P<background>{_any_of([*_COLOUR])}) (?:{_any_of(BEHIND)})"
)
