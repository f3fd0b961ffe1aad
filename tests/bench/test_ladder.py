from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import ladder
from bench.cli import main
from bench.reference_views import view_drawer
from bench.schema import READER, LadderReport
from bench.subject import EngineRun, Subject
from fastclipgen.engine.stepper import EAGER, Way
from fastclipgen.errors import UserError

QUICK = ["--device", "cpu", "--clip", "builtin", "--size", "64", "--views", "2", "--batch", "2"]
QUICK += ["--repeats", "2", "--block-seconds", "0.001", "--quality-steps", "2", "--no-compile"]


@pytest.fixture(autouse=True)
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")


def test_climbs_what_there_is_and_lists_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("ladder", ladder.run, [*QUICK, "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, LadderReport)
    names = [rung.name for rung in report.rungs]
    assert names == ["eager fp32", "frozen", "fused cutouts", "collapsed stack", "batch of 2"]
    assert [rung.batch for rung in report.rungs] == [1, 1, 1, 1, 2]
    missing = {one.what: one.reason for one in report.missing}
    assert "float32" in missing["bf16"]
    assert "--no-compile" in missing["compile"]
    assert missing["CUDA graph"] == "no CUDA device"
    first, second = report.rungs[:2]
    assert first.faster.median == first.faster_than_first.median == 1
    assert second.faster == second.faster_than_first
    assert first.peak_bytes > second.peak_bytes
    assert first.loss == pytest.approx(second.loss, abs=1e-5)  # the same draws, only without waste
    fused, collapsed = report.rungs[2].loss, report.rungs[-2].loss
    assert fused == pytest.approx(collapsed, abs=1e-4)  # and here those of the op
    printed = capsys.readouterr().out
    assert "not measured: the engine computes in float32" in printed
    assert " ms" not in printed


def test_lower_precision_is_a_rung_where_it_is_asked_for(tmp_path: Path) -> None:
    assert main("ladder", ladder.run, [*QUICK, "--precision", "bf16", "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert "bfloat16" in [rung.name for rung in report.rungs]  # type: ignore[union-attr]


def test_views_of_the_op_are_new_at_every_step() -> None:
    settings = {"device": "cpu", "clip": ["builtin"], "generator": "stack", "width": 64, "height": 64, "views": 3}
    subject = Subject(1, settings | {"cutouts": "das"})
    guide = subject.recipe.guides[0]
    drawer = ladder.OpViews(guide, subject.task.seeds)
    image = torch.full((1, 3, 96, 96), 0.5)
    first, second = drawer.draw(image, 3), drawer.draw(image, 3)
    other = view_drawer(guide.spec, 64, 1, torch.device("cpu")).draw(image, 3)
    assert first.shape == other.shape == (3, 3, 64, 64)
    assert not torch.equal(first, second)
    assert 0.5 <= float(first.min()) <= float(first.max()) <= 0.7  # in 0..1, before mean and std


def test_a_compiled_step_and_its_failure_are_rungs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the time that a real compiler takes; tests/engine/test_compiled.py has that."""
    ways = []

    class Run(EngineRun):
        def __init__(self, subject: Subject, batch: int, way: Way | None = None) -> None:
            assert way is not None
            ways.append((batch, way.compiled, way.graph))
            if way.compiled and batch > 1:
                raise UserError("expected to compile the step, but that failed")
            super().__init__(subject, batch, EAGER)

    monkeypatch.setattr(ladder, "EngineRun", Run)
    monkeypatch.setattr("fastclipgen.engine.compiled.obstacle", lambda device: None)
    assert main("ladder", ladder.run, [*QUICK[:-1], "--results", str(tmp_path)]) == 0
    assert ways[:3] == [(1, False, False), (1, True, False), (2, True, True)]
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, LadderReport)
    assert [rung.name for rung in report.rungs][-2:] == ["collapsed stack", "compile"]
    assert ("batch of 2", "expected to compile the step, but that failed") in [
        (one.what, one.reason) for one in report.missing
    ]
    assert "batch of 2        not measured" in capsys.readouterr().out
