"""`fastclipgen bench ladder`: Direct Ascent Synthesis, from the loop as published to the engine, step by step.

Each rung keeps what the rungs before it brought. A rung that this device does not have is listed with the reason, and
the next builds on the last one that there is. The stack is collapsed before the step is compiled, because compiling a
step of 336 tensors takes minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastclipgen.engine import compiled
from fastclipgen.engine.device import resolve_device, resolve_precision
from fastclipgen.engine.recipe import Guide
from fastclipgen.engine.stepper import EAGER
from fastclipgen.errors import UserError
from fastclipgen.ops import library
from fastclipgen.ops.cutout_params import sample_cutouts
from fastclipgen.ops.cutouts import cutouts

from .cli import settings
from .habits import DAS, FAIR
from .loops import CASES, SHOWN, TESTS
from .memory import peak_bytes
from .reference import ReferenceRun
from .results import begin, finish
from .schema import LadderReport, Rung
from .schema_base import Missing
from .subject import EngineRun, Subject
from .timing import Run, ratio, spread, time_blocks


class OpViews:
    """The views of a reference loop drawn by fastclipgen's op, all at once."""

    def __init__(self, guide: Guide, seeds: Tensor) -> None:
        self.guide, self.seeds, self.step = guide, seeds, 0

    def draw(self, image: Tensor, count: int) -> Tensor:
        size, height, width = self.guide.perceptor.image_size, *image.shape[-2:]
        params = sample_cutouts(self.guide.spec, self.seeds, self.step, count, height, width, size)
        self.step += 1
        return cutouts(image, params, size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.float32)


@dataclass(frozen=True)
class Step:
    """A rung before it is measured. begin: a new run of it; missing: why there is none here, if so."""

    name: str
    begin: Callable[[], Any]
    missing: str = ""


def steps_of(args: argparse.Namespace) -> tuple[list[Step], Subject]:
    """The rungs, and the subject by whose CLIP, in float32, all are judged."""
    chosen: dict[str, Any] = CASES["das"].settings | {"clip": ["random:ViT-B-32"]} | settings(args)
    device = resolve_device(args.device)
    precise = Subject(args.batch, chosen | {"precision": "fp32"})
    own = resolve_precision(chosen.get("precision", "auto"), device)
    quick = precise if own == torch.float32 else Subject(args.batch, chosen)

    def fused(subject: Subject) -> ReferenceRun:
        views = [OpViews(guide, subject.task.seeds[:1]) for guide in subject.recipe.guides]
        return ReferenceRun(subject, habits=FAIR, views=list(views))

    no_compiler = "left out (--no-compile)" if args.no_compile else compiled.obstacle(device) or ""
    compiled_way = replace(EAGER, compiled=not no_compiler, strict=True)
    last = replace(compiled_way, graph=True)
    name = str(own).removeprefix("torch.")
    low = (
        Step("bf16", lambda: fused(quick), "the engine computes in float32 on this device")
        if own == torch.float32
        else Step(name, lambda: fused(quick))
    )
    return [
        Step("eager fp32", lambda: ReferenceRun(precise, habits=DAS)),
        Step("frozen", lambda: ReferenceRun(precise, habits=FAIR)),
        Step("fused cutouts", lambda: fused(precise)),
        low,
        Step("collapsed stack", lambda: EngineRun(quick, 1, EAGER)),
        Step("compile", lambda: EngineRun(quick, 1, compiled_way), no_compiler),
        Step("CUDA graph", lambda: EngineRun(quick, 1, last), "" if device.type == "cuda" else "no CUDA device"),
        Step(f"batch of {args.batch}", lambda: EngineRun(quick, args.batch, last)),
    ], precise


def measure(args: argparse.Namespace) -> LadderReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    header = begin(args, resolve_device(args.device), library.OPS, TESTS)
    steps, judge = steps_of(args)
    device, cuda = judge.device, judge.device.type == "cuda"
    there = {step.name: step for step in steps if not step.missing}
    missing = [Missing(what=step.name, reason=step.missing) for step in steps if step.missing]
    runs: dict[str, Run] = {}
    for step in list(there.values()):
        try:
            runs[step.name] = step.begin()
            runs[step.name].advance(2)  # compiles and records
        except UserError as error:
            missing.append(Missing(what=step.name, reason=str(error)))
            runs.pop(step.name, None)
            del there[step.name]
    times = time_blocks(runs, device, args.repeats, args.block_seconds, 3 if cuda else 1)
    batches = {name: run.batch for name, run in runs.items()}
    names = list(runs)
    runs.clear()
    rungs, before = [], names[0]
    for name in names:
        run = there[name].begin()
        peak = peak_bytes(partial(run.advance, 2), device)
        run = there[name].begin()
        run.advance(args.quality_steps)
        rungs.append(
            Rung(
                name=name,
                batch=batches[name],
                picture_step=spread(times[name]) if cuda else None,
                faster=ratio(times[before], times[name]),
                faster_than_first=ratio(times[names[0]], times[name]),
                peak_bytes=peak,
                loss=judge.loss(run.images()[:1]),
            )
        )
        before = name
    config, clips = judge.job.config, [guide.perceptor.name for guide in judge.recipe.guides]
    return LadderReport(
        **header,
        settings={key: getattr(config, key) for key in SHOWN} | {"clip": clips},
        steps=args.quality_steps,
        loss_before=judge.loss(EngineRun(judge, 1, EAGER).images()),
        rungs=rungs,
        missing=missing,
    )


def table(report: LadderReport) -> str:
    """The report for people."""
    where, chosen = report.machine, report.settings
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"{chosen['generator']} {chosen['width']}x{chosen['height']}, {', '.join(chosen['clip'])}, "
        f"{chosen['views']} views; loss after {report.steps} steps (before: {report.loss_before:.4f})",
        f"{'':18}{'of before':>10}{'p5':>8}{'p95':>8}{'of first':>10}{'peak MiB':>10}{'loss':>9}",
    ]
    for rung in report.rungs:
        one = rung.faster
        timed = f"  {1e3 * rung.picture_step.median:.2f} ms" if rung.picture_step else ""
        lines.append(
            f"{rung.name:18}{one.median:>9.2f}x{one.p5:>8.2f}{one.p95:>8.2f}{rung.faster_than_first.median:>9.2f}x"
            f"{rung.peak_bytes / 2**20:>10.0f}{rung.loss:>9.4f}{timed}"
        )
    return "\n".join(lines + [f"{one.what:18}not measured: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: LadderReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("ladder", run))
