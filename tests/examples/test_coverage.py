"""docs/grammar-coverage.md has a row for every key of the grammar, and a test for every row."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from fastclipgen.cli import run
from fastclipgen.experiments import keys as known
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.variables import ALIASES, GROUPS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "grammar-coverage.md").read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: [row.strip("| ").split(" | ") for row in part.splitlines() if row.startswith("| ")][1:]
    for part in PAGE.split("\n## ")[1:]
}
ROWS = [(section, row) for section, rows in SECTIONS.items() for row in rows]


def options() -> set[str]:
    """The options of `fastclipgen run`."""
    parser = argparse.ArgumentParser(add_help=False)
    run.add_arguments(parser)
    return {name for action in parser._actions for name in action.option_strings}


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ("The file", {*known.RUN, *known.SECTIONS, *known.SETTINGS}),
        ("Optimisers", set(known.OPTIMIZERS)),
        ("init", {*known.INIT, "image_tensor"}),
        ("targets", {*known.TARGET, *known.LISTS, "all", "best", "worst", "mix", "equal", "fair"}),
        ("targets.features", {*known.FEATURE_KEYS, *known.LOSSES}),
        ("targets.transforms", {*TRANSFORMS, *known.STEP}),
        ("targets.constraints", {*CONSTRAINTS, *known.CONSTRAINT_KEYS, *known.STEP}),
        ("postproc", {*known.STEP, *(name for name, kind in TRANSFORMS.items() if not kind.resizes)}),
        ("Values and expressions", {*GROUPS, *ALIASES}),
        ("Command line", options()),
    ],
)
def test_every_key_has_a_row(section: str, wanted: set[str]) -> None:
    named = {name for row in SECTIONS[section] for cell in row[:2] for name in re.findall(r"`([^`]+)`", cell)}
    assert wanted - named == set()


def test_transforms_and_constraints_that_the_table_names_are_there() -> None:
    for section, there in (("targets.transforms", TRANSFORMS), ("targets.constraints", CONSTRAINTS)):
        named = {name for row in SECTIONS[section] for name in re.findall(r"`(\w+)`", row[0])}
        assert named - {*there, *known.CONSTRAINT_KEYS, *known.STEP} == set()


@pytest.mark.parametrize(("section", "row"), ROWS, ids=lambda value: value if isinstance(value, str) else value[0][:30])
def test_every_row_has_a_status_and_tests_that_are_there(section: str, row: list[str]) -> None:
    assert len(row) == 3
    assert row[1]
    cited = re.findall(r"`([\w/]+\.py)::(\w+)`", row[2])
    assert cited
    for file, name in cited:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")
