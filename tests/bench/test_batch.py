"""The batch bench on tiny pictures: what it draws, and what it compares."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import batch
from bench.batch import Contest
from bench.cli import main
from bench.schema import READER, BatchReport
from fastclipgen.errors import UserError
from fastclipgen.outputs.metadata import read_metadata

QUICK = [
    *("--device", "cpu", "--generator", "pixels", "--size", "16", "--views", "1"),
    *("--prompts", "2", "--steps", "1", "--repeats", "2"),
]
ONE = {"starts": 1, "tracks": 1, "compile": "off"}  # not the 4096 starts that the built-in CLIP is worth
SETTINGS = {"clip": ["builtin"], "device": "cpu", "steps": 1, "generator": "pixels", "width": 16, "height": 16}
QUICK_SETTINGS = SETTINGS | ONE | {"views": 1}


@pytest.fixture(autouse=True)
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")


def test_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_processors", lambda: 1)
    asked = batch.settings_of
    monkeypatch.setattr(batch, "settings_of", lambda args: asked(args) | ONE)
    assert main("batch", batch.run, [*QUICK, "--commands", "0", "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, BatchReport)
    assert report.settings == QUICK_SETTINGS
    assert [(lane.name, lane.pictures, lane.picture) for lane in report.lanes] == [
        ("one batch", 2, None), ("calls", 2, None),
    ]  # fmt: skip
    assert report.lanes[0].of_batch.median == 1
    assert report.lanes[1].of_batch.repeats == 2
    assert report.workers is None
    assert [one.what for one in report.missing] == ["two workers"]
    shown = capsys.readouterr().out
    assert "calls " in shown
    assert "not measured: two workers: the bench may use one processor only" in shown


def test_all_ways_draw_the_same_prompts_with_the_same_seeds(tmp_path: Path) -> None:
    contest = Contest(["a red circle", "a blue star"], QUICK_SETTINGS, tmp_path)
    drawn = []
    for name, way in (("batch", contest.one_batch), ("calls", contest.calls)):
        (tmp_path / name).mkdir()
        way(tmp_path / name)
        stored = [read_metadata(path)["settings"] for path in sorted((tmp_path / name).glob("*.png"))]
        drawn.append([{key: value for key, value in one.items() if key != "index"} for one in stored])
    assert [(one["prompts"], one["seed"], one["steps"]) for one in drawn[0]] == [
        (["a red circle"], 1, 1), (["a blue star"], 2, 1),
    ]  # fmt: skip
    assert drawn[0] == drawn[1]


def test_a_command_has_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command[3:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("bench.batch.subprocess.run", run)
    contest = Contest(["x", "y"], SETTINGS, tmp_path)
    contest.command(tmp_path)
    contest.workers(tmp_path, 2)
    settings = ["--clip", "builtin", "--device", "cpu", "--steps", "1", "--generator", "pixels", "--size", "16x16"]
    one, two = asked
    assert one == ["x", "-o", str(tmp_path / "one.png"), "--seed", "1", *settings, "--quiet"]
    assert two == [
        "batch", str(contest.file), "-o", str(tmp_path), "--seed", "1", "--workers", "2", *settings, "--quiet",
    ]  # fmt: skip


def test_a_command_that_fails_is_a_sentence(tmp_path: Path) -> None:
    contest = Contest(["x"], {"no_such_setting": 1}, tmp_path)
    with pytest.raises(UserError, match="ended with 2: fastclipgen: error"):
        contest.command(tmp_path)


def test_pictures_that_are_missing_are_no_figure(tmp_path: Path) -> None:
    contest = Contest(["x"], SETTINGS, tmp_path)
    with pytest.raises(UserError, match="expected 1 pictures, got 0"):
        contest.seconds(lambda out: None, 1)
