"""`fastclipgen batch` as its users see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import SMALL, Done

SEED = SMALL.index("--seed")
SETTINGS = SMALL


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture
def prompts(folder: Path) -> Path:
    (folder / "p.csv").write_text("prompt,steps,seed\na red circle,,\na blue square,2,9\na fox,,\n")
    return folder / "p.csv"


def test_a_batch_is_what_the_prompts_alone_would_be(cli: Callable[..., Done], folder: Path, prompts: Path) -> None:
    done = cli("batch", "p.csv", "-o", "out", *SETTINGS)
    assert done.code == 0, done.err
    names = ["000001-a-red-circle-5.png", "000003-a-fox-7.png", "000002-a-blue-square-9.png"]
    assert done.out.split() == [f"out/{name}" for name in names]
    seventh = (*SETTINGS[: SEED + 1], "7", *SETTINGS[SEED + 2 :])
    alone = cli("a fox", *seventh, "-o", "alone.png", "--deterministic")
    again = cli("batch", "p.csv", "-o", "det", *SETTINGS, "--deterministic")
    assert (alone.code, again.code) == (0, 0)
    assert (read(folder / "det/000003-a-fox-7.png") == read(folder / "alone.png")).all()


def test_the_same_command_again_draws_nothing(cli: Callable[..., Done], prompts: Path) -> None:
    cli("batch", "p.csv", "-o", "out", *SETTINGS)
    again = cli("batch", "p.csv", "-o", "out", *SETTINGS)
    assert (again.code, again.out) == (0, "")
    assert "0 of 3 pictures are to be drawn" in again.err


def test_rows_that_cannot_be_leave_the_others(cli: Callable[..., Done], folder: Path) -> None:
    (folder / "p.jsonl").write_text('"a fox"\n{"prompt": "a bus", "step": 2}\n')
    done = cli("batch", "p.jsonl", "-o", "out", *SETTINGS)
    assert done.code == 2
    assert len(done.out.split()) == 1
    assert "line 2 cannot be drawn: unknown setting 'step'; did you mean 'steps'" in done.err
    assert "0 of 1 pictures failed and 1 rows cannot be drawn" in done.err


def test_events_are_json(cli: Callable[..., Done], prompts: Path) -> None:
    done = cli("batch", "p.csv", "-o", "out", "--json", *SETTINGS)
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1], kinds.count("picture")) == ("start", "done", 3)
    assert {event["number"]: event["line"] for event in events if event["event"] == "picture"} == {1: 2, 2: 3, 3: 4}


def test_status_shows_a_batch(cli: Callable[..., Done], prompts: Path) -> None:
    cli("batch", "p.csv", "-o", "out", *SETTINGS)
    assert "3 of 3 pictures are done" in cli("batch", "--status", "out").out
    assert json.loads(cli("batch", "--status", "out", "--json").out)["done"] == 3
    assert "there is no batch in 'nowhere'" in cli("batch", "--status", "nowhere").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("p.csv",), "expected a batch file and a folder"),
        (("p.csv", "-o", "out", "--workers", "2", "--devices", "0,1"), "leave one of them out"),
        (("p.csv", "-o", "out", "--devices", "0,"), "expected devices as in"),
        (("p.csv", "-o", "out", "--address", "here:1"), "add --engine ray"),
        (("p.csv", "-o", "out", "--engine", "ray", "--devices", "0"), "use --workers instead of --devices"),
        (("none.csv", "-o", "out"), "cannot read the batch file"),
    ],
)
def test_mistakes_are_one_sentence(
    cli: Callable[..., Done], prompts: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = cli("batch", *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_two_processes_draw_one_batch(cli: Callable[..., Done], folder: Path) -> None:
    (folder / "p.txt").write_text("a red circle\n")
    quick = ("--generator", "pixels", "--size", "16", "--steps", "1", "--starts", "1", "--tracks", "1")
    done = cli("batch", "p.txt", "-o", "out", "--workers", "2", "--clip", "builtin", "-n", "2", *quick)
    assert done.code == 0, done.err
    assert "2 of 2 pictures are done" in cli("batch", "--status", "out").out
    assert ("2 processes share the processors" in done.err) == (not torch.cuda.is_available())


def test_the_order_of_rows_changes_no_deterministic_picture(cli: Callable[..., Done], folder: Path) -> None:
    rows = ["a red circle,5", "a fox,6", "a blue square,7"]
    for name, order in (("there", rows), ("back", rows[::-1])):
        (folder / f"{name}.csv").write_text("\n".join(["prompt,seed", *order]))
        done = cli("batch", f"{name}.csv", "-o", name, *SETTINGS, "--deterministic")
        assert done.code == 0, done.err
    for there, back in (("1-a-red-circle-5", "3-a-red-circle-5"), ("2-a-fox-6", "2-a-fox-6")):
        assert (folder / f"there/00000{there}.png").read_bytes() == (folder / f"back/00000{back}.png").read_bytes()
