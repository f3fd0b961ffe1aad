from __future__ import annotations

import argparse
import os
import signal
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import batch, captions, clipig, cvae, everything, gan, ladder, loops, ops, presets, sampling, vqgan
from bench.cli import main
from bench.schema import READER, LoopsReport, Spread
from fastclipgen.errors import UserError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, reports: Any) -> list[tuple[str, argparse.Namespace]]:
    """What each suite was asked for; loops cannot be measured, the others give a report that is no measurement."""
    calls: list[tuple[str, argparse.Namespace]] = []

    def measure(suite: str, args: argparse.Namespace) -> Any:
        calls.append((suite, args))
        if suite == "loops":
            raise UserError("no loops today")
        return READER.validate_python(reports("cpu")[suite])

    modules = {
        "ops": ops, "loops": loops, "ladder": ladder, "sampling": sampling, "vqgan": vqgan, "gan": gan,
        "presets": presets, "cvae": cvae, "captions": captions, "clipig": clipig, "batch": batch,
    }  # fmt: skip
    assert modules.keys() == set(everything.SUITES)
    for suite, module in modules.items():
        monkeypatch.setattr(module, "measure", lambda args, suite=suite: measure(suite, args))
    monkeypatch.setattr("bench.guard.check", lambda *which: f"{len(which[0])} ops are green")
    return calls


def test_every_suite_once_under_one_run_of_the_tests(
    asked: list[tuple[str, argparse.Namespace]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--short", "--device", "cpu", "--results", str(tmp_path), "--commit", "a" * 40]
    assert main("everything", everything.run, options) == 1  # one of them failed
    assert [suite for suite, _ in asked] == [
        "vqgan", "sampling", "loops", "ops", "ladder", "gan", "presets", "cvae", "captions", "clipig", "batch",
    ]  # fmt: skip
    for _, args in asked:
        assert args.tests.endswith("ops are green")
        assert (args.device, args.results, args.commit) == ("cpu", tmp_path, "a" * 40)
        assert args.repeats in (3, 5)
    assert [args.minutes for suite, args in asked if suite in ("loops", "ops")] == [3, 2]
    written = {path.name.partition("--")[0] for path in tmp_path.rglob("*.json")}
    assert written == {"ops", "ladder", "sampling", "vqgan", "gan", "presets", "cvae", "captions", "clipig", "batch"}
    shown = capsys.readouterr()
    assert shown.err == "loops: no loops today\n"
    assert shown.out[shown.out.index("\nsummary\n") :].splitlines()[2:] == [
        "vqgan 64x64, eager: 2.00x eager, 200% of a matrix product",
        "vqgan 64x64, package: 2.00x eager, 200% of a matrix product",
        "sampling 16 at a time, cached: 2.0x full forward, 200% of a copy (200% for weights alone)",
        "16 candidates drawn and ranked: 200% of it tokens",
        "cutouts R-B, batch 1: cpp 2.0x plain torch, 200% of the ceiling",
        "ladder, eager fp32: 2.00x the first rung",
        "ladder, frozen: 2.00x the first rung",
        "gan: engine@1 / engine@8 2.00x",
        "preset draft: 2.0x the time of the first",
        "preset best: 2.0x the time of the first",
        "cvae, step, tiled: 2.0x tiled",
        "cvae, step, folded: 2.0x tiled",
        "captions, cache: 2.0x one at a time",
        "clipig, fair loop: 2.0x the published loop",
        "clipig, engine: 2.0x the published loop",
        "batch: calls 2.00x the time of one batch",
    ]


def test_without_short_the_suites_have_their_own_defaults(asked: list[tuple[str, argparse.Namespace]]) -> None:
    assert main("everything", everything.run, ["--unchecked"]) == 1
    assert asked[0][1].tests == "not run (--unchecked)"
    args = dict(asked)["ops"]
    assert (args.minutes, args.repeats) == (None, 9)


def test_what_there_is_no_time_for_is_left_out(
    asked: list[tuple[str, argparse.Namespace]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute a suite, three and a half of them."""
    now = chain([0.0, 0.0, 60.0, 120.0], repeat(200.0))
    monkeypatch.setattr(everything, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert main("everything", everything.run, ["--unchecked", "--short", "--minutes", "3.5"]) == 1
    assert [suite for suite, _ in asked] == ["vqgan", "sampling", "loops"]
    assert dict(asked)["loops"].minutes == 1.5  # what is left, not its three
    assert "ops: no time for it (--minutes)\nladder: no time for it" in capsys.readouterr().err


def test_ended_from_outside_it_still_sums_up(
    asked: list[tuple[str, argparse.Namespace]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ops, "measure", lambda args: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit, match="124"):
        main("everything", everything.run, ["--unchecked"])
    assert "vqgan 64x64, package" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) is handler


def test_loops_in_the_summary(reports: Any) -> None:
    report = READER.validate_python(reports("cpu")["loops"])
    assert isinstance(report, LoopsReport)
    assert everything.summary(report) == ["das: faithful@1 / engine@1 2.00x"]
    report.cases[0].lanes[0].of_matrix = Spread(median=0.25, p5=0.2, p95=0.3, repeats=5)
    assert everything.summary(report) == ["das: faithful@1 / engine@1 2.00x, 25% of a matrix product"]
