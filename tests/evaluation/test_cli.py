"""`fastclipgen eval shapes`: options become settings, and the files are written."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclipgen.cli import evaluate, main
from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError
from fastclipgen.evaluation import drawing
from fastclipgen.evaluation.judge import judge
from fastclipgen.evaluation.report import Answer, Question, Report


def settings(*options: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.settings_of(parser.parse_args(["shapes", *options]))


def test_options_become_settings() -> None:
    assert settings() == {}
    assert settings("--steps", "5", "--generator", "stack", "--clip", "a", "--clip", "b") == {
        "steps": 5,
        "generator": "stack",
        "clip": ["a", "b"],
    }
    found = settings(
        "--set", "width=96", "--set", "keep-best=yes", "--set", "constraints=tv:0.1", "--set", "constraints=range",
        "--set", 'generator_options={"norm": 1.0}', "--set", "schedule=drops:0.5=0.1", "--set", 'negative=["a", "b"]',
    )  # fmt: skip
    assert found == {
        "width": "96",
        "keep_best": "yes",
        "constraints": ["tv:0.1", "range"],
        "generator_options": {"norm": 1.0},
        "schedule": "drops:0.5=0.1",
        "negative": ["a", "b"],
    }
    config = RunConfig(prompts=["a red star"], **found)
    assert (config.width, config.keep_best) == (96, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "steps"), "expected --set SETTING=VALUE, got 'steps'"),
        (("--set", "stepz=4"), "unknown setting 'stepz'; did you mean 'steps'"),
        (("--set", "steps=4", "--steps", "5"), "'steps' is given by --steps and by --set"),
        (("--set", "views=4", "--set", "views=5"), "views is given twice"),
        (("--set", "generator_options={"), "expected JSON after '{'"),
    ],
)
def test_wrong_settings_are_refused(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        settings(*options)


def one_answer(count: int, seed: int, settings: dict[str, Any], **_: Any) -> Report:
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    asked = Question("circle", "red", "black")
    verdict = judge(pixels, asked.shape, asked.colour, asked.background)
    return Report((Answer(asked, verdict, seed, 0.5, pixels),), seed, settings)


def test_files_are_written_and_none_is_overwritten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drawing, "run_drawing_test", one_answer)
    names = ["--json", f"{tmp_path}/a.json", "--markdown", f"{tmp_path}/b.md", "--sheet", f"{tmp_path}/c.png"]
    for _ in range(2):
        assert main(["eval", "shapes", "--steps", "5", "--seed", "4", *names]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.json", "b.md", "c.png", "a-1.json", "b-1.md", "c-1.png",
    }  # fmt: skip
    stored = json.loads((tmp_path / "a.json").read_text())
    assert (stored["seed"], stored["settings"]) == (4, {"steps": 5})
    printed = capsys.readouterr()
    assert (tmp_path / "b.md").read_text() in printed.out
    assert "c-1.png" in printed.err


def test_bad_names_of_files_are_found_before_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drawing, "run_drawing_test", lambda *_, **__: pytest.fail("the test was run"))
    assert main(["eval", "shapes", "--json", "x.txt"]) == 2
    assert "must end in one of .json" in capsys.readouterr().err
    assert main(["eval", "shapes", "--sheet", "x.txt"]) == 2
