"""The drawing test without its models: questions, settings, and that every picture meets its own question."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastclipgen.config.run import RunConfig
from fastclipgen.data.palette import COLOURS, RGB
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.errors import UserError
from fastclipgen.evaluation import drawing
from fastclipgen.evaluation.drawing import draw_questions, run_drawing_test
from fastclipgen.evaluation.report import Question


class FakeJob:
    """Draws discs in the prompt's colours, two pictures a batch."""

    def __init__(self, config: RunConfig, notice: Any) -> None:
        self.config = config

    def run(self, callbacks: Any) -> Iterator[list[SimpleNamespace]]:
        y, x = np.mgrid[:64, :64] - 31.5
        results = []
        for index, prompt in enumerate(self.config.prompts):
            _, colour, _, _, _, background, _ = prompt.split()
            inside = (np.hypot(x, y) < 18)[..., None]
            pixels = np.where(inside, RGB[colour], RGB[background]).astype(np.uint8)
            seed = (self.config.seed or 0) + index
            results.append(SimpleNamespace(pixels=pixels, index=index, seed=seed, loss=0.5, prompt=prompt))
        for first in range(0, len(results), 2):
            yield results[first : first + 2]


def test_questions_are_a_matter_of_the_seed_and_the_place() -> None:
    few, many = draw_questions(5, 3), draw_questions(200, 3)
    assert few == many[:5]
    assert draw_questions(5, 4) != few
    assert all(question.colour != question.background for question in many)
    assert {question.shape for question in many} == set(SHAPES)
    assert {question.colour for question in many} == {question.background for question in many} == set(COLOURS)


def test_prompts_are_english() -> None:
    assert Question("star", "orange", "blue").prompt == "an orange star on a blue background"
    assert Question("arrow", "red", "orange").prompt == "a red arrow on an orange background"


def test_every_picture_meets_its_own_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "make_job", FakeJob)
    batches = []
    report = run_drawing_test(25, 3, {"steps": 7}, on_batch=batches.append, notice=pytest.fail)
    questions = draw_questions(25, 3)
    assert [answer.question for answer in report.answers] == questions
    assert [answer.seed for answer in report.answers] == list(range(3, 28))
    assert [len(batch) for batch in batches] == [2] * 12 + [1]
    assert report.colours_right == 1
    circles = sum(question.shape == "circle" for question in questions) / 25
    assert 0 < circles < 1
    assert report.shape_right == report.both_right == circles
    assert report.settings["clip"] == ["builtin"]
    assert report.settings["steps"] == 7
    assert "prompts" not in report.settings


def test_settings_overrule_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "make_job", FakeJob)
    report = run_drawing_test(1, 3, {"clip": ["RN50:openai"], "seed": 11})
    assert report.settings["clip"] == ["RN50:openai"]
    assert report.answers[0].seed == 11


@pytest.mark.parametrize(
    ("count", "seed", "settings", "message"),
    [
        (0, 0, {}, "takes 1..10000 prompts, got 0"),
        (1, -1, {}, "seed of 0..2.*got -1"),
        (1, 0, {"count": 2}, "chooses 'count' itself"),
        (1, 0, {"prompts": ["x"]}, "chooses 'prompts' itself"),
        (1, 0, {"stepz": 3}, "unknown setting 'stepz'; did you mean 'steps'"),
    ],
)
def test_what_cannot_be_is_refused(count: int, seed: int, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_drawing_test(count, seed, settings)
