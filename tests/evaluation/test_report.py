"""The figures of a drawing test are counted right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastclipgen.evaluation.judge import Verdict
from fastclipgen.evaluation.report import Answer, Question, Report


def answer(asked: str, seen: str | None, *, ground: bool = True, ink: bool = True) -> Answer:
    verdict = Verdict(
        background_right=ground, colour_right=ink, shape_right=ink and seen == asked, seen_background="blue",
        seen_colour="red", seen_shape=seen, compact=True, iou=0.9, asked_iou=0.5, coverage=0.2, background_share=0.7,
        colour_share=0.6, region_share=1.0,
    )  # fmt: skip
    return Answer(Question(asked, "red", "blue"), verdict, 1, 0.25, np.zeros((48, 64, 3), dtype=np.uint8))


@pytest.fixture
def report() -> Report:
    answers = (
        answer("star", "star"),
        answer("star", None),
        answer("ring", "circle"),
        answer("ring", "ring", ground=False),
        answer("ring", "ring", ink=False),
    )
    return Report(answers, 9, {"generator": "vae", "steps": 3})


def test_rates(report: Report) -> None:
    assert (report.colours_right, report.shape_right, report.both_right) == (0.6, 0.4, 0.2)
    assert Report((), 0, {}).both_right == 0


def test_tables(report: Report) -> None:
    assert report.confusion() == {"star": {"star": 1, "none": 1}, "ring": {"circle": 1, "ring": 2}}
    assert report.by_shape()["ring"] == {"asked": 3, "colours_right": 1, "shape_right": 1, "both_right": 0}
    assert report.by_colour()["red"] == {"object": 5, "object_right": 4, "background": 0, "background_right": 0}
    assert report.by_colour()["blue"] == {"object": 0, "object_right": 0, "background": 5, "background_right": 4}


def test_json_and_markdown(report: Report) -> None:
    stored = json.loads(json.dumps(report.as_dict()))
    assert stored["rates"] == {"colours_right": 0.6, "shape_right": 0.4, "both_right": 0.2}
    assert stored["pictures"][1]["seen_shape"] is None
    assert stored["pictures"][0]["right"]
    assert stored["pictures"][0]["prompt"] == "a red star on a blue background"
    lines = report.markdown().splitlines()
    assert lines[0] == "Drawing test: 5 prompts, seed 9 (generator vae, steps 3)"
    assert "| 60.0% | 40.0% | 20.0% |" in lines
    assert "| ring | 3 | 1 | 1 | 0 |" in lines
    assert "| star |  |  |  | 1 |  |  |  |  |  |  | 1 |" in lines
    assert not [line for line in lines if line.startswith("| heart")]


def test_the_sheet_shows_every_picture(report: Report) -> None:
    sheet = report.sheet()
    assert sheet.dtype == np.uint8
    black = (sheet == 0).all(-1)
    assert black.sum() >= 5 * 48 * 64  # the pictures; letters may add to them
