from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from bench import presets, random_vqgan
from bench.cli import main
from bench.schema import READER, PresetsReport
from fastclipgen.config import presets as table
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.models.vqgan import VQGAN, Geometry
from fastclipgen.perceptors import as_perceptor

TINY = Geometry(channels=64, multipliers=(1, 1, 1, 1, 1), attention=(4,), blocks=1, z_channels=4, embed=4, codes=50)


class Flat(nn.Module):
    """A CLIP of one linear layer, 3 * 8 * 8 -> 5."""

    image_size = 8
    name = "flat"

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(192, 5, bias=False)

    def encode_image(self, views: torch.Tensor) -> torch.Tensor:
        return self.layer(views.flatten(1))

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        return torch.ones(len(texts), 5)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")
    monkeypatch.setitem(random_vqgan.GEOMETRIES, "f16-16384", TINY)
    monkeypatch.setattr("bench.subject.random_perceptor", lambda name, seed: as_perceptor(Flat()))


def measured(folder: Path, *options: str) -> PresetsReport:
    quick = ["--device", "cpu", "--compile", "off", "--repeats", "2", "--block-seconds", "0.001", "--shrink", "16"]
    assert main("presets", presets.run, [*quick, *options, "--results", str(folder)]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, PresetsReport)
    return report


def test_a_row_for_every_preset(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path)
    assert [lane.name for lane in report.lanes] == list(table.NAMES)
    assert [(lane.side, lane.views, lane.steps) for lane in report.lanes] == [
        (256, 16, 200), (384, 24, 350), (512, 32, 500), (640, 48, 600),
    ]  # fmt: skip
    assert report.lanes[2].clips == ["ViT-B-32", "ViT-B-16", "RN50"]
    assert report.lanes[0].of_first.median == 1.0
    flops = [lane.flops for lane in report.lanes]
    assert flops == sorted(set(flops))
    planned = [lane.planned_bytes for lane in report.lanes]
    assert planned == sorted(set(planned))
    printed = capsys.readouterr().out
    assert "with 1/256 of the pixels and of the views" in printed
    assert " ms" not in printed


def test_one_of_them(small: None, tmp_path: Path) -> None:
    report = measured(tmp_path, "--preset", "best", "--shrink", "20")
    [lane] = report.lanes
    assert (lane.name, lane.picture_of_first, report.shrink) == ("best", 1.0, 20)


def test_arithmetic_is_that_of_both_passes() -> None:
    class Plane(Vqgan):
        """A generator without any matrix product."""

        def forward(self, params: dict[str, torch.Tensor]) -> torch.Tensor:
            return params["z"].mean(1, keepdim=True).expand(-1, 3, -1, -1)

    plane, flat = Plane(16, 16, VQGAN(TINY)), as_perceptor(Flat())
    # 192 x 5 multiplications and as many additions for each of 7 views, forward and back to the views
    assert presets.arithmetic(plane, [flat], 7) == 2 * (2 * 7 * 192 * 5)
    assert presets.arithmetic(plane, [flat, flat], 7) == 4 * (2 * 7 * 192 * 5)
    assert presets.arithmetic(Vqgan(16, 16, VQGAN(TINY)), [flat], 7) > 10**6
