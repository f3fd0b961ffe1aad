"""The bench of experiments on a tiny picture: what it compares, and that its loops do what the engine does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import clipig
from bench.cli import main
from bench.clipig import ExperimentRun, Subject
from bench.loop_clipig import Berries
from bench.schema import READER, ClipigReport

QUICK = ["--device", "cpu", "--side", "64", "--frames", "2", "--repeats", "2", "--block-seconds", "0.001"]


def test_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")
    assert main("clipig", clipig.run, [*QUICK, "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, ClipigReport)
    assert [lane.name for lane in report.lanes] == ["published loop", "fair loop", "engine"]
    assert report.lanes[0].faster.median == 1
    assert all(lane.epoch is None and lane.peak_bytes > 1000 for lane in report.lanes)
    assert report.settings["frames"] == 2
    assert "fair loop" in capsys.readouterr().out


def test_without_chance_all_draw_the_same_picture() -> None:
    berries = Berries(side=64, crop=64, frames=2, turn=0.0, least=1.0, shift=0.0, epochs=4)
    subject = Subject(berries, "builtin", torch.device("cpu"))
    engine = ExperimentRun(subject, compiled=False)
    loops = [subject.loop(wasteful) for wasteful in (True, False)]
    for loop in loops:
        assert torch.equal(loop.pixels.detach(), subject.start[0])
        loop.advance(1)  # as the subject has
        torch.testing.assert_close(loop.pixels.detach(), subject.state.params["rgb"][0], atol=2e-3, rtol=0)
        loop.advance(1)
    engine.epoch = 1
    engine.advance(1)
    drawn = [*(loop.pixels.detach() for loop in loops), engine.state.params["rgb"][0]]
    for one in drawn[:2]:
        assert (one - drawn[2]).abs().mean() < 1e-4
        assert (one - subject.start[0]).abs().mean() > 0.01
    assert len(loops[0].similarities) == 2 * 2
    assert loops[1].similarities == []


def test_frames_differ_by_chance() -> None:
    loop = Subject(Berries(side=64, crop=48, epochs=2), "builtin", torch.device("cpu")).loop(wasteful=True)
    picture = loop.pixels.detach()
    first, second = loop._frame(picture), loop._frame(picture)
    assert first.shape == (3, loop.eye.image_size, loop.eye.image_size)
    assert not torch.equal(first, second)


def test_rates_are_those_of_the_file() -> None:
    berries = Berries(side=64, crop=64, epochs=5)
    subject = Subject(berries, "builtin", torch.device("cpu"))
    torch.testing.assert_close(subject.rates, torch.tensor([berries.rate(epoch) for epoch in range(5)]))
