from __future__ import annotations

from pathlib import Path

import pytest

from bench import step
from bench.machine import source
from bench.schema import StepReport

QUICK = ["--device", "cpu", "--generator", "pixels", "--size", "64", "--views", "2", "--repeats", "2"]
QUICK += ["--block-seconds", "0.01", "--quality-steps", "40", "--quality-pictures", "1"]


def test_writes_a_report_and_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "step.json"
    assert step.main([*QUICK, "--batches", "1", "2", "--json", str(file)]) == 0
    report = StepReport.model_validate_json(file.read_text(encoding="utf-8"))
    assert [(lane.name, lane.batch) for lane in report.lanes] == [
        ("engine", 1), ("engine", 2), ("plain", 1), ("careful", 1),
    ]  # fmt: skip
    assert [(one.slow, one.fast) for one in report.ratios] == [
        ("plain@1", "engine@1"), ("plain@1", "engine@2"),
        ("careful@1", "engine@1"), ("careful@1", "engine@2"),
        ("engine@1", "engine@2"),
    ]  # fmt: skip
    plain, careful = report.lanes[2].peak_bytes, report.lanes[3].peak_bytes
    assert plain > careful  # it keeps a gradient for every weight
    assert report.settings["views"] == 2
    assert report.quality.engine < report.quality.before
    assert report.quality.reference < report.quality.before
    printed = capsys.readouterr().out
    assert "plain@1 / engine@2" in printed
    assert "ms" not in printed.replace("repeats", "")  # no seconds on a CPU


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--generator", "stak"], "did you mean 'stack'"),
        (["--repeats", "0"], "--repeats"),
        (["--batches", "0"], "--batches"),
    ],
)
def test_mistakes_are_one_sentence(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert step.main([*QUICK, *options]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    assert source(tmp_path).commit is None
