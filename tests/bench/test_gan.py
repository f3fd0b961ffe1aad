"""The GAN bench on a tiny network: what it compares, and that the published loop goes the same way as the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import gan
from bench.cli import main
from bench.loop_gan import PublishedLoop, trained
from bench.schema import READER, GanReport
from bench.subject import EngineRun, Subject
from fastclipgen.models.fastgan import FastGAN, Geometry

SMALL = ["--side", "32", "--base", "8", "--latent", "6"]
QUICK = ["--device", "cpu", *SMALL, "--repeats", "2", "--block-seconds", "0.001"]


@pytest.fixture(autouse=True)
def green(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.guard.check", lambda *which: "all green")


def test_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("gan", gan.run, [*QUICK, "--batch", "3", "--results", str(tmp_path)]) == 0
    (file,) = tmp_path.rglob("*.json")
    report = READER.validate_json(file.read_text(encoding="utf-8"))
    assert isinstance(report, GanReport)
    assert [(one.slow, one.fast) for one in report.ratios] == [
        ("published loop@1", "engine@3"), ("engine@1", "engine@3"),
    ]  # fmt: skip
    assert all(lane.picture_step is None and lane.peak_bytes > 1000 for lane in report.lanes)
    assert report.parameters == sum(p.numel() for p in FastGAN(Geometry.usual(32, 8, 6)).parameters())
    shown = capsys.readouterr().out
    assert "published loop@1 / engine@3" in shown
    assert " ms" not in shown


def test_both_get_nearer_to_their_text(tmp_path: Path) -> None:
    gan.random_weights(Geometry.usual(32, 8, 6), tmp_path / "a.safetensors")
    settings = {"gan": str(tmp_path / "a.safetensors"), "compat": "clipping-clip-to-gan", "clip": ["builtin"]}
    subject = Subject(2, settings | {"device": "cpu", "learning_rate": 0.01, "compile": "off"})
    for made in (PublishedLoop(subject, 1), EngineRun(subject, 2)):
        before = made.z.clone() if isinstance(made, PublishedLoop) else made.state.params["z"].clone()
        made.advance(2)
        after = made.z if isinstance(made, PublishedLoop) else made.state.params["z"]
        assert (after - before).abs().max() > 0
    loop = PublishedLoop(subject, 1)
    assert torch.equal(loop.z.detach(), subject.start(subject.rows(2))["z"][1:])
    assert loop.text == subject.job.pictures[1].prompt


def test_it_is_as_published() -> None:
    made = trained(FastGAN(Geometry.usual(32, 8, 6)))
    assert made.training
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert sum(name.endswith("weight_orig") for name, _ in made.named_parameters()) == 14
