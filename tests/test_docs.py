"""What the documentation cites is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
DOCS = sorted((TESTS.parent / "docs").glob("*.md"))


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_tests_that_a_page_names_exist(page: Path) -> None:
    cited = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8"))
    for file, name in ((file, name) for file, name in cited if Path(file).name.startswith("test_")):
        text = (TESTS / file.removeprefix("tests/")).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text, f"{file}::{name}"
