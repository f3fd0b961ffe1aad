"""The CVAE bench on a toy: all ways take the same step, and folding takes less memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import cvae
from bench.cli import main
from bench.schema import READER
from bench.schema_cvae import CvaeReport

QUICK = ["--device", "cpu", "--model", "tiny", "--batch", "4", "--repeats", "2", "--block-seconds", "0.001"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")


def measured(folder: Path, *options: str) -> CvaeReport:
    assert main("cvae", cvae.run, [*QUICK, *options, "--results", str(folder)]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, CvaeReport)
    return report


def test_all_train_alike_and_folding_holds_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--precision", "fp32")
    lanes = {(lane.part, lane.name): lane for lane in report.lanes}
    assert len(lanes) == 6
    for part in ("first convolution", "step"):
        tiled, folded, package = (lanes[part, name] for name in ("tiled", "folded", "package"))
        assert (tiled.faster.median, tiled.error) == (1.0, 0.0)
        assert 0 < folded.error < 1e-4
        assert 0 < package.error < 1e-4
        assert folded.peak_bytes < 0.8 * tiled.peak_bytes
    printed = capsys.readouterr().out
    assert "training step of 4 pictures" in printed
    assert " ms" not in printed


def test_a_lower_precision_is_the_packages_alone(tmp_path: Path) -> None:
    for lane in measured(tmp_path, "--precision", "bf16").lanes:
        assert lane.dtype == ("bfloat16" if lane.name == "package" else "float32")
        assert lane.error < (0.2 if lane.name == "package" else 1e-4)


def test_the_tiled_form_makes_its_planes() -> None:
    geometry = cvae.GEOMETRIES["tiny"]
    given = cvae.batch_of(geometry, 2, torch.device("cpu"))
    tiled, folded = (cvae.Train(geometry, given, "first convolution", name, False) for name in ("tiled", "folded"))
    torch.testing.assert_close(tiled.loss(), folded.loss())
    assert type(tiled.first) is cvae.Tiled
    assert type(folded.first) is not cvae.Tiled
