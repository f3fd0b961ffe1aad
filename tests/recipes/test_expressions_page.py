"""docs/expressions.md names every variable and function, and its examples have the values that it states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from fastclipgen.recipes.draws import DRAWS, UNSUPPORTED_DRAWS
from fastclipgen.recipes.expressions import parse
from fastclipgen.recipes.functions import FUNCTIONS
from fastclipgen.recipes.live import Live
from fastclipgen.recipes.nodes import MAX_DRAWS, MAX_NODES
from fastclipgen.recipes.syntax import MAX_DEPTH, MAX_LENGTH
from fastclipgen.recipes.variables import ALIASES, FEATURE, GROUPS, Schedule

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "expressions.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
EXAMPLES = [(row[-2].strip("`"), row[-1]) for row in ROWS if len(row) > 3 and row[-2].startswith("`")]
DRAWN = [row[2].strip("`") for row in ROWS if len(row) == 3 and row[2].startswith("`")]
EPOCH = 300


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_examples_have_the_values_of_the_page(text: str, expected: str) -> None:
    ones = torch.ones(401, 1)
    schedule = Schedule(401).with_resolution(ones * 512, ones * 256).with_learnrate(ones * 0.02, ones * 0.5)
    expression = parse(text, "x", FEATURE)
    if expression.live:
        found = Live(expression, schedule, "cpu")(torch.tensor([EPOCH]), torch.tensor([25.0])).item()
    else:
        found = expression.over(schedule)[EPOCH, 0].item()
    assert found == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize("text", DRAWN)
def test_examples_of_random_numbers_are_random(text: str) -> None:
    assert text.split("(")[0] in DRAWS
    assert len(parse(text, "x").over(Schedule(99)).unique()) > 1


def test_every_name_is_on_the_page() -> None:
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", PAGE))))
    ranges = {f"{stem}{n}" for stem in ("time", "t", "time_inverse", "ti") for n in (3, 4)}  # "`t2` .. `t5`"
    state = {"getstate", "setstate"}
    assert {*GROUPS, *ALIASES, *FUNCTIONS, *UNSUPPORTED_DRAWS} <= named | ranges | state


def test_every_function_has_a_row_and_every_row_a_function() -> None:
    rows = {row[0].strip("`").split("(")[0] for row in ROWS if row[0].startswith("`")}
    assert rows == set(FUNCTIONS)
    assert {text.split("(")[0] for text in DRAWN} == set(DRAWS)


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"{MAX_LENGTH:,} characters, {MAX_DEPTH} levels, {MAX_NODES:,} operations and {MAX_DRAWS} random" in PAGE
