"""The VQGAN bench on a tiny geometry: what it compares, and that both draw the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import ceiling, random_vqgan, vqgan
from bench.cli import main
from bench.schema import READER, VqganReport

QUICK = ["--device", "cpu", "--model", "tiny", "--side", "64", "--repeats", "2", "--block-seconds", "0.001"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")
    monkeypatch.setitem(ceiling.SIDE, "cpu", 64)


def measured(folder: Path, *options: str) -> VqganReport:
    assert main("vqgan", vqgan.run, [*QUICK, *options, "--results", str(folder)]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, VqganReport)
    return report


def test_both_draw_the_same_and_the_package_holds_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path)
    eager, package = report.lanes
    assert (eager.name, package.name, report.side) == ("eager", "package", 64)
    assert (eager.faster.median, eager.picture_error, eager.gradient_error) == (1.0, 0.0, 0.0)
    assert 0 < package.picture_error + package.gradient_error < 1e-4
    assert eager.peak_bytes
    assert package.peak_bytes
    assert package.peak_bytes < 0.7 * eager.peak_bytes
    assert {one.what for one in report.missing} == {"package, CUDA graph", "compiled"}
    printed = capsys.readouterr().out
    assert "decode and gradient at 64x64" in printed
    assert " ms" not in printed


def test_a_lower_precision_is_the_packages_alone(tmp_path: Path) -> None:
    eager, package = measured(tmp_path, "--precision", "bf16").lanes
    assert (eager.dtype, package.dtype) == ("float32", "bfloat16")
    assert 1e-4 < package.picture_error < 0.05


def test_operations_are_those_of_convolutions_both_ways(tmp_path: Path) -> None:
    """Frozen weights: forward, and once more for the gradient of the input; attention's needs two and a half times."""
    model = random_vqgan.random_vqgan(random_vqgan.geometry_of("tiny"), torch.device("cpu"), torch.float32)

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.decode(torch.zeros(1, 8, 32, 32))
    assert 2 * counter.get_total_flops() <= measured(tmp_path).flops < 3 * counter.get_total_flops()
