"""`fastclipgen bench everything`: ops, loops, ladder, presets one after the other, tests run once, a short table last.

A suite that cannot be measured is told and does not end the others.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from typing import Any

import torch

from fastclipgen.cli.parser import Parser
from fastclipgen.errors import UserError
from fastclipgen.ops import library

from . import guard
from .cli import options_of
from .loops import TESTS
from .schema import LadderReport, LoopsReport, OpsReport, PresetsReport

SUITES = ("ops", "loops", "ladder", "presets")
# Within some five minutes on a GPU.
SHORT = {
    "ops": ["--minutes", "2.5", "--repeats", "5", "--block-seconds", "0.03"],
    "loops": ["--repeats", "5", "--block-seconds", "0.2", "--quality-pictures", "2"],
    "ladder": ["--repeats", "5", "--block-seconds", "0.2"],
    "presets": ["--repeats", "3"],
}


def run(args: argparse.Namespace) -> int:
    tests = guard.UNCHECKED if args.unchecked else guard.check(library.OPS, TESTS)
    found: list[Any] = []
    failed = 0
    for suite in SUITES:
        parser = Parser(prog=suite)
        options_of(suite, parser)
        asked = parser.parse(SHORT[suite] if args.short else [])
        for name in ("device", "results", "commit", "unchecked"):
            setattr(asked, name, getattr(args, name))
        asked.tests = tests
        module = importlib.import_module(f"{__package__}.{suite}")
        print(f"\n--- {suite}", flush=True)
        try:
            found.append(module.measure(asked))
            module.show(asked, found[-1])
        except UserError as error:
            print(f"{suite}: {error}", file=sys.stderr)
            failed = 1
        _forget()
    print("\nsummary")
    for report in found:
        print("\n".join(summary(report)))
    return failed


def _forget() -> None:
    """What a suite leaves behind: compiled code and memory of the device."""
    torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def summary(report: OpsReport | LoopsReport | LadderReport | PresetsReport) -> list[str]:
    """The few lines of a report that matter most."""
    if isinstance(report, OpsReport):
        lanes = [lane for lane in report.lanes if lane.chosen and lane.direction == _last(report, lane)]
        return [
            f"{lane.op} {lane.case}, batch {lane.batch}: {lane.backend} {lane.speedup.median:.1f}x plain torch, "
            f"{max(lane.of_copy.median, lane.of_matrix.median):.0%} of the ceiling"
            for lane in lanes
        ]
    if isinstance(report, LoopsReport):
        return [
            f"{case.name}: {one.slow} / {one.fast} {one.times.median:.2f}x"
            for case in report.cases
            for one in case.ratios
            if not one.slow.startswith("engine")
        ]
    if isinstance(report, PresetsReport):
        return [f"preset {lane.name}: {lane.picture_of_first:.1f}x the time of the first" for lane in report.lanes]
    return [f"ladder, {rung.name}: {rung.faster_than_first.median:.2f}x the first rung" for rung in report.rungs]


def _last(report: OpsReport, lane: Any) -> str:
    """The widest direction that was measured of a lane's case."""
    same = [one.direction for one in report.lanes if (one.op, one.case, one.batch) == (lane.op, lane.case, lane.batch)]
    return max(same, key=len)


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("everything", run))
