"""`fastclipgen schema` and `fastclipgen reference`: to the screen and to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastclipgen.cli import main


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "targets" in json.loads(capsys.readouterr().out)["properties"]


def test_the_reference_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "yaml.md"
    assert main(["reference", "-o", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert path.read_text().startswith("# Experiments in YAML")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "-o", str(tmp_path / "missing" / "x.json")]) == 2
    assert "No such file" in capsys.readouterr().err
