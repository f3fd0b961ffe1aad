from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import ceiling, sampling
from bench.cli import main
from bench.schema import READER, SamplingReport
from fastclipgen.models import vqgan
from fastclipgen.models.transformer import Geometry, Transformer
from fastclipgen.sampling.sampler import uniforms_of

TINY = Geometry(layers=2, width=32, heads=2, vocabulary=40, block=16, condition=6)
DECODER = vqgan.Geometry(
    channels=8, multipliers=(1, 2), attention=(), blocks=1, z_channels=8, embed=8, codes=TINY.vocabulary
)
QUICK = ["--device", "cpu", "--candidates", "3", "--repeats", "2"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")
    monkeypatch.setattr(sampling, "SIZES", dict.fromkeys(sampling.SIZES, (TINY, DECODER)))
    monkeypatch.setitem(ceiling.COPY_BYTES, "cpu", 2**16)


def measured(folder: Path, *options: str) -> SamplingReport:
    assert main("sampling", sampling.run, [*QUICK, *options, "--results", str(folder)]) == 0
    (file,) = folder.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, SamplingReport)
    return report


def test_both_ways_draw_the_same_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path)
    assert (report.same_tokens, report.every, report.candidates, report.geometry["block"]) == (1.0, 1, 3, 16)
    cached, full = report.lanes
    assert (cached.name, full.name) == ("cached", "full forward")
    assert cached.peak_bytes
    assert full.peak_bytes
    assert cached.faster
    assert cached.of_copy
    assert cached.of_copy_weights
    share = report.weight_bytes / (report.weight_bytes + report.cache_bytes)
    assert cached.of_copy_weights.median == pytest.approx(share * cached.of_copy.median)
    assert (full.faster, full.of_copy, report.pictures) == (None, None, None)
    printed = capsys.readouterr().out
    assert "x full forward" in printed
    assert "tokens that are the same: 100.00%" in printed
    assert " ms" not in printed


def test_some_positions_stand_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(tmp_path, "--size", "medium", "--every", "4")
    assert (report.same_tokens, report.every) == (None, 4)
    assert "at every 4th position" in capsys.readouterr().out


def test_whole_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = measured(tmp_path, "--pictures", "--clip", "builtin").pictures
    assert made is not None
    assert (made.candidates, made.keep, made.side, made.seconds) == (3, 3, 8, None)
    assert made.tokens.median > 0
    assert "3 candidates of 8x8 sampled, decoded, ranked by" in capsys.readouterr().out


def test_what_tokens_must_read() -> None:
    """Counted by hand: a linear layer, two norms and the head of a model of one layer."""
    model = Transformer(Geometry(layers=1, width=2, heads=1, vocabulary=3, block=4, condition=5))
    block = (2 * 6 + 6) + (2 * 2 + 2) + (2 * 8 + 8) + (8 * 2 + 2) + 4 * 2
    weights, cache = sampling.read_bytes(model, 10)
    assert weights == 4 * 4 * (block + (5 * 2 + 2) + 2 * 2 + (2 * 3 + 3))
    assert cache == 4 * 10 * 2 * 2 * (1 + 2 + 3 + 4)


def test_positions_of_a_thinned_forward_lie_in_the_middle_of_their_parts() -> None:
    seen = []
    model = Transformer(TINY)
    model.register_forward_hook(lambda module, given, out: seen.append(given[1].shape[1]))
    uniform = uniforms_of(torch.arange(2), TINY.block, 1)[:, 0]
    sampling.FullForward(model, torch.zeros(2, 6), uniform, 4).advance(1)
    assert seen == [2, 6, 10, 14]
