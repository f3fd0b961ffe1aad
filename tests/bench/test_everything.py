from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from bench import everything, ladder, loops, ops, presets
from bench.cli import main
from bench.schema import READER, LoopsReport
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

    for suite, module in (("ops", ops), ("loops", loops), ("ladder", ladder), ("presets", presets)):
        monkeypatch.setattr(module, "measure", lambda args, suite=suite: measure(suite, args))
    monkeypatch.setattr("bench.guard.check", lambda *which: f"{len(which[0])} ops are green")
    return calls


def test_every_suite_once_under_one_run_of_the_tests(
    asked: list[tuple[str, argparse.Namespace]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--short", "--device", "cpu", "--results", str(tmp_path), "--commit", "a" * 40]
    assert main("everything", everything.run, options) == 1  # one of them failed
    assert [suite for suite, _ in asked] == ["ops", "loops", "ladder", "presets"]
    for _, args in asked:
        assert args.tests.endswith("ops are green")
        assert (args.device, args.results, args.commit) == ("cpu", tmp_path, "a" * 40)
    assert [args.repeats for _, args in asked] == [5, 5, 5, 3]
    assert asked[0][1].minutes == 2.5
    assert {path.name.partition("--")[0] for path in tmp_path.rglob("*.json")} == {"ops", "ladder", "presets"}
    shown = capsys.readouterr()
    assert shown.err == "loops: no loops today\n"
    assert shown.out[shown.out.index("\nsummary\n") :].splitlines()[2:] == [
        "cutouts R-B, batch 1: cpp 2.0x plain torch, 200% of the ceiling",
        "ladder, eager fp32: 2.00x the first rung",
        "ladder, frozen: 2.00x the first rung",
        "preset draft: 2.0x the time of the first",
        "preset best: 2.0x the time of the first",
    ]


def test_without_short_the_suites_have_their_own_defaults(asked: list[tuple[str, argparse.Namespace]]) -> None:
    assert main("everything", everything.run, ["--unchecked"]) == 1
    assert asked[0][1].tests == "not run (--unchecked)"
    assert asked[0][1].minutes is None
    assert asked[0][1].repeats == 9


def test_loops_in_the_summary(reports: Any) -> None:
    report = READER.validate_python(reports("cpu")["loops"])
    assert isinstance(report, LoopsReport)
    assert everything.summary(report) == ["das: faithful@1 / engine@1 2.00x"]
