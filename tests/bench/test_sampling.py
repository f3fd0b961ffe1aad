from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import sampling
from bench.cli import main
from bench.schema import READER, SamplingReport
from fastclipgen.models.transformer import Geometry, Transformer
from fastclipgen.sampling.sampler import uniforms_of

TINY = Geometry(layers=2, width=32, heads=2, vocabulary=40, block=12, condition=6)
QUICK = ["--device", "cpu", "--candidates", "3", "--repeats", "2"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")
    monkeypatch.setattr(sampling, "SMALL", TINY)
    monkeypatch.setattr(sampling, "MEDIUM", TINY)


def measured(folder: Path, *options: str) -> SamplingReport:
    assert main("sampling", sampling.run, [*QUICK, *options, "--results", str(folder)]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, SamplingReport)
    return report


def test_both_ways_draw_the_same_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path)
    assert (report.same_tokens, report.every, report.candidates, report.geometry["block"]) == (1.0, 1, 3, 12)
    assert [lane.name for lane in report.lanes] == ["cached", "full forward"]
    assert all(lane.peak_bytes for lane in report.lanes)
    printed = capsys.readouterr().out
    assert "cached against full forward for each token" in printed
    assert "tokens that are the same: 100.00%" in printed
    assert " ms" not in printed


def test_some_positions_stand_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--medium", "--every", "4")
    assert (report.same_tokens, report.every) == (None, 4)
    assert "at every 4th position" in capsys.readouterr().out


def test_positions_of_a_thinned_forward_lie_in_the_middle_of_their_parts() -> None:
    seen = []
    model = Transformer(TINY)
    model.register_forward_hook(lambda module, given, out: seen.append(given[1].shape[1]))
    uniform = uniforms_of(torch.arange(2), TINY.block, 1)[:, 0]
    sampling.FullForward(model, torch.zeros(2, 6), uniform, 4).advance(1)
    assert seen == [2, 6, 10]
