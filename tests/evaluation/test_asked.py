"""Which prompts the judge understands, and what it takes them to ask."""

from __future__ import annotations

import pytest

from fastclipgen.evaluation.asked import question_in
from fastclipgen.evaluation.drawing import draw_questions
from fastclipgen.evaluation.report import Question


def test_every_question_of_the_drawing_test_is_found_in_its_own_prompt() -> None:
    questions = draw_questions(300, 1)
    assert [question_in(question.prompt) for question in questions] == questions


@pytest.mark.parametrize(
    ("prompt", "shape", "colour", "background"),
    [
        ("A red  circle on a blue background.", "circle", "red", "blue"),
        ("a grey box with a plain violet backdrop", "square", "gray", "purple"),
        ("a photo of an orange crescent moon in front of a turquoise ground", "crescent", "orange", "cyan"),
        ("red plus sign over white background", "cross", "red", "white"),
        ("a red circle on a blue background:2", "circle", "red", "blue"),
    ],
)
def test_wordings_of_the_captions(prompt: str, shape: str, colour: str, background: str) -> None:
    assert question_in(prompt) == Question(shape, colour, background)


@pytest.mark.parametrize(
    "prompt",
    [
        "a fox in the snow",
        "a red circle",
        "a small red circle on a blue background",
        "a red circle in the middle on a blue background",
        "a red circle and a green star on a blue background",
        "a red circle on a blue and white striped background",
        "a red circle on a red background",
        "a red circle on a blue background|a photo",
        "a red circle on a blue background ^ a star",
        "a red circle on a blue background:-1",
        "a red circle on a blue background:1:0.5",
        "not a red circle on a blue background",
        "",
    ],
)
def test_what_it_cannot_measure_it_does_not_judge(prompt: str) -> None:
    assert question_in(prompt) is None
