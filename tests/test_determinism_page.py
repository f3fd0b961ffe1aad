"""docs/determinism.md: each row of its table is a promise that a test keeps."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "determinism.md").read_text(encoding="utf-8")
CITED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The cells of the table's rows."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert lines[0].split("|")[-2].strip() == "tests"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def functions(file: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    }


def test_every_row_names_tests_that_exist() -> None:
    assert len(rows()) >= 15
    for what, default, _, tests in rows():
        cited = CITED.findall(tests)
        assert cited, f"no test for '{what}'"
        assert CITED.sub("", tests).strip(", ") == "", f"what is no test for '{what}'"
        assert default.startswith(("equal", "rounding", "the same tokens")), f"'{what}' says neither"
        for file, name in cited:
            assert name in functions(ROOT / file), f"{file}::{name}"


def test_nothing_is_said_twice() -> None:
    said = [row[0] for row in rows()]
    assert len(set(said)) == len(said)
