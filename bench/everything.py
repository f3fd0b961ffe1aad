"""`fastclipgen bench everything`: all suites one after the other, tests run once, a short table last.

In order of importance: where there is not time for all (`--minutes`), it is the last that are left out. A suite that
cannot be measured is told and does not end the others; ended from outside, what was measured is still summed up.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import signal
import sys
import time
from typing import Any

import torch

from fastclipgen.cli.parser import Parser
from fastclipgen.errors import UserError
from fastclipgen.ops import library

from . import batch, captions, clipig, cvae, gan, guard, loops, sampling, vqgan
from .cli import options_of
from .schema import (
    BatchReport,
    CaptionsReport,
    ClipigReport,
    CvaeReport,
    GanReport,
    LoopCase,
    LoopsReport,
    Measured,
    OpsReport,
    PresetsReport,
    SamplingReport,
    VqganReport,
)

SUITES = ("vqgan", "sampling", "loops", "ops", "ladder", "gan", "presets", "cvae", "captions", "clipig", "batch")
TESTS = tuple(
    dict.fromkeys(
        test for suite in (loops, sampling, vqgan, gan, cvae, captions, clipig, batch) for test in suite.TESTS
    )
)
# Within some six minutes on a GPU.
SHORT = {
    "vqgan": ["--repeats", "5", "--block-seconds", "0.2"],
    "sampling": ["--repeats", "3"],
    "loops": ["--minutes", "3", "--repeats", "5", "--block-seconds", "0.2", "--quality-pictures", "2"],
    "ops": ["--minutes", "2", "--repeats", "5", "--block-seconds", "0.03"],
    "ladder": ["--repeats", "5", "--block-seconds", "0.2"],
    "gan": ["--repeats", "5"],
    "presets": ["--repeats", "3"],
    "cvae": ["--repeats", "3"],
    "captions": ["--repeats", "3"],
    "clipig": ["--repeats", "5", "--compile"],
    "batch": ["--repeats", "3", "--commands", "2"],
}
LEAST = 20.0  # seconds without which no suite is begun
ENDED = 124  # the exit code of timeout(1)


def run(args: argparse.Namespace) -> int:
    end = time.monotonic() + 60 * (args.minutes or float("inf"))
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))
    tests = guard.UNCHECKED if args.unchecked else guard.check(library.OPS, TESTS)
    found: list[Any] = []
    failed = 0
    try:
        for suite in SUITES:
            parser = Parser(prog=suite)
            options_of(suite, parser)
            asked = parser.parse(SHORT[suite] if args.short else [])
            for name in ("device", "results", "commit", "unchecked"):
                setattr(asked, name, getattr(args, name))
            asked.tests = tests
            left = end - time.monotonic()
            if left < LEAST:
                print(f"{suite}: no time for it (--minutes)", file=sys.stderr)
                continue
            if args.minutes and hasattr(asked, "minutes"):
                asked.minutes = min(asked.minutes or left, left / 60)
            module = importlib.import_module(f"{__package__}.{suite}")
            print(f"\n--- {suite}", flush=True)
            try:
                found.append(module.measure(asked))
                module.show(asked, found[-1])
            except UserError as error:
                print(f"{suite}: {error}", file=sys.stderr)
                failed = 1
            _forget()
    finally:
        signal.signal(signal.SIGTERM, before)
        print("\nsummary")
        for report in found:
            print("\n".join(summary(report)), flush=True)
    return failed


def _forget() -> None:
    """What a suite leaves behind: compiled code and memory of the device."""
    torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def summary(report: Measured) -> list[str]:
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
            f"{case.name}: {one.slow} / {one.fast} {one.times.median:.2f}x{_share(case, one.fast)}"
            for case in report.cases
            for one in case.ratios
            if not one.slow.startswith("engine")
        ]
    if isinstance(report, SamplingReport):
        return _sampling(report)
    if isinstance(report, VqganReport):
        return [
            f"vqgan {report.side}x{report.side}, {lane.name}: {lane.faster.median:.2f}x eager, "
            f"{lane.of_matrix.median:.0%} of a matrix product"
            + (f", {1e3 * lane.seconds.median:.2f} ms" if lane.seconds else "")
            for lane in report.lanes
        ]
    if isinstance(report, GanReport):
        return [f"gan: {one.slow} / {one.fast} {one.times.median:.2f}x" for one in report.ratios]
    if isinstance(report, PresetsReport):
        return [f"preset {lane.name}: {lane.picture_of_first:.1f}x the time of the first" for lane in report.lanes]
    if isinstance(report, CvaeReport):
        return [f"cvae, {lane.part}, {lane.name}: {lane.faster.median:.1f}x tiled" for lane in report.lanes]
    if isinstance(report, CaptionsReport):
        return [f"captions, {lane.name}: {lane.faster.median:.1f}x one at a time" for lane in report.lanes[1:]]
    if isinstance(report, ClipigReport):
        return [f"clipig, {lane.name}: {lane.faster.median:.1f}x the published loop" for lane in report.lanes[1:]]
    if isinstance(report, BatchReport):
        return [f"batch: {lane.name} {lane.of_batch.median:.2f}x the time of one batch" for lane in report.lanes[1:]]
    return [f"ladder, {rung.name}: {rung.faster_than_first.median:.2f}x the first rung" for rung in report.rungs]


def _share(case: LoopCase, fast: str) -> str:
    """What the lane `fast`, written name@batch, reaches of the arithmetic floor."""
    lane = next(lane for lane in case.lanes if f"{lane.name}@{lane.batch}" == fast)
    return "" if lane.of_matrix is None else f", {lane.of_matrix.median:.0%} of a matrix product"


def _sampling(report: SamplingReport) -> list[str]:
    lines = []
    for lane in report.lanes:
        if lane.faster is not None and lane.of_copy is not None and lane.of_copy_weights is not None:
            lines.append(
                f"sampling {report.candidates} at a time, {lane.name}: {lane.faster.median:.1f}x full forward, "
                f"{lane.of_copy.median:.0%} of a copy ({lane.of_copy_weights.median:.0%} for weights alone)"
            )
    if (made := report.pictures) is not None:
        seconds = "" if made.seconds is None else f"{made.seconds.median:.3f} s, "
        lines.append(f"{made.candidates} candidates drawn and ranked: {seconds}{made.tokens.median:.0%} of it tokens")
    return lines


def _last(report: OpsReport, lane: Any) -> str:
    """The widest direction that was measured of a lane's case."""
    same = [one.direction for one in report.lanes if (one.op, one.case, one.batch) == (lane.op, lane.case, lane.batch)]
    return max(same, key=len)


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("everything", run))
