"""`fastclipgen train`: its options reach the training under their names, and mistakes are sentences."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.cli.train import DEFAULTS
from fastclipgen.training import run as training


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(training.train)

    def train(*args: Any, **kwargs: Any) -> dict[str, float]:
        calls.append(signature.bind(*args, **kwargs).arguments)  # fails for a name that train does not have
        return {}

    monkeypatch.setattr(training, "train", train)
    return calls


@pytest.mark.parametrize("model", ["clip", "vae"])
def test_defaults(cli: Callable, trained: list[dict[str, Any]], folder: Path, model: str) -> None:
    assert cli("train", model).code == 0
    [call] = trained
    assert call["model"] == model
    assert call["out"] == Path("runs") / model
    assert (folder / "runs" / model).is_dir()
    assert {name: call[name] for name in DEFAULTS[model]} == DEFAULTS[model]


def test_every_option_arrives(cli: Callable, trained: list[dict[str, Any]], folder: Path) -> None:
    given = {
        "--out": "here", "--steps": "9", "--batch": "8", "--learning-rate": "0.5", "--seed": "3", "--threads": "1",
        "--precision": "fp32", "--evaluate-every": "4", "--save-every": "5",
    }  # fmt: skip
    done = cli("train", "vae", *(x for pair in given.items() for x in pair), "--tensorboard", "--fresh", "--quiet")
    assert done.code == 0, done.err
    expected = {
        "out": Path("here"), "steps": 9, "batch": 8, "learning_rate": 0.5, "seed": 3, "threads": 1, "precision": "fp32",
        "evaluate_every": 4, "save_every": 5, "tensorboard": True, "fresh": True, "quiet": True,
    }  # fmt: skip
    assert {name: trained[0][name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cilp"], "invalid choice: 'cilp'"),
        (["clip", "--data", "coco"], "invalid choice: 'coco'"),
        (["vae", "--data", "coco"], "--data coco takes a place, coco:DIR; got 'coco'"),
        (["vae", "--steps", "0"], "argument --steps: expected a whole number of 1 or more, got 0"),
        (["clip", "--batch", "2"], "expected a whole number of 8 or more, got 2"),
        (["vae", "--batch", "2"], "--batch of 8 or more"),
        (["vae", "--threads", "-1"], "expected a whole number of 0 or more, got -1"),
        (["vae", "--evaluate-every", "0"], "expected a whole number of 1 or more, got 0"),
        (["vae", "--save-every", "0"], "expected a whole number of 1 or more, got 0"),
        (["vae", "--seed", "x"], "expected a whole number, got 'x'"),
        (["vae", "--learning-rate", "nan"], "a --learning-rate between 0 and 1"),
        (["vae", "--precision", "fp8"], "invalid choice: 'fp8'"),
        (["vae", "--out", "file/x"], "cannot write 'file/x': a file is where a folder is needed"),
    ],
)
def test_mistakes(refused: Callable, folder: Path, arguments: list[str], sentence: str) -> None:
    (folder / "file").write_text("")
    (folder / "runs" / "vae").mkdir(parents=True)
    assert sentence in refused("train", *arguments)
