"""docs/yaml.md is what `fastclipgen reference` makes, and it names everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastclipgen.experiments import keys as known
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.reference import reference
from fastclipgen.experiments.sources import shaped
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.documents import parse_document

PAGE = reference()
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_is_current() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "yaml.md"
    assert page.read_text(encoding="utf-8") == PAGE, "write it again: fastclipgen reference -o docs/yaml.md"


def test_every_key_has_a_row() -> None:
    tables = (known.RUN, known.SECTIONS, known.SETTINGS, known.INIT, known.TARGET, known.LISTS, known.FEATURE_KEYS)
    for name in (name for table in tables for name in table):
        assert f"| `{name}` |" in PAGE
    for kind in (*TRANSFORMS.values(), *CONSTRAINTS.values()):
        assert f"### `{kind.name}`" in PAGE
        assert all(f"| `{option}` |" in PAGE for option in kind.options)


def test_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    assert len(tables) > 10
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_example_reads(snippet: str) -> None:
    if snippet.startswith("- "):
        name = re.findall(r"\w+", snippet)[0]
        before = PAGE[: PAGE.index(snippet)]
        key = re.findall(r"^## `targets.(\w+)`", before, re.MULTILINE)[-1]
        assert name in (TRANSFORMS if key == "transforms" else CONSTRAINTS)
        snippet = f"targets:\n- {key}:\n" + "".join(f"  {line}\n" for line in snippet.splitlines())
    assert experiment_of(shaped(parse_document(snippet, "x.yaml"))).targets
