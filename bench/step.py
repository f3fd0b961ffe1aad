"""`python -m bench.step`: the engine's step against a plain loop in eager torch, in one process, as a ratio.

Prints a table and, with --json, writes a bench.schema.StepReport. Seconds are given for GPUs only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from bench.machine import machine, source
from bench.memory import peak_bytes
from bench.reference import ReferenceRun
from bench.schema import Lane, Quality, Ratio, StepReport
from bench.subject import EngineRun, Subject
from bench.timing import Run, ratio, spread, time_blocks
from fastclipgen.errors import UserError

SHOWN = ("generator", "width", "height", "clip", "views", "cutouts", "optimizer", "loss", "constraints")
REFERENCES = {"plain": False, "careful": True}


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that choose what is measured; the rest is fastclipgen's own default."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:i")
    parser.add_argument("--generator", default="auto", help="as of fastclipgen; the built-in CLIP's default is vae")
    parser.add_argument("--clip", default="builtin", help="as of fastclipgen")
    parser.add_argument("--views", type=int, help="cutouts of each picture")
    parser.add_argument("--size", type=int, help="side of the pictures in pixels")
    parser.add_argument("--cutouts", default="auto", help="preset of the views")
    parser.add_argument("--optimizer", default="auto")


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_settings` as settings of a run."""
    names = ("device", "generator", "views", "cutouts", "optimizer")
    return {name: getattr(args, name) for name in names} | {"clip": [args.clip], "width": args.size}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.step", description="The engine's step against a plain loop.")
    add_settings(parser)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], metavar="N", help="pictures in one step")
    parser.add_argument("--repeats", type=int, default=9, help="blocks of every competitor")
    parser.add_argument("--block-seconds", type=float, default=0.5, help="about how long a block lasts")
    parser.add_argument("--quality-steps", type=int, default=50, help="steps before the losses are compared")
    parser.add_argument("--quality-pictures", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def measure(args: argparse.Namespace) -> StepReport:
    """Everything the report holds. Raises UserError."""
    for name in ("repeats", "quality_steps", "quality_pictures", "block_seconds"):
        if getattr(args, name) <= 0:
            raise UserError(f"--{name.replace('_', '-')} must be above 0, got {getattr(args, name)}")
    if min(args.batches) < 1:
        raise UserError(f"--batches must be whole numbers of 1 or more, got {min(args.batches)}")
    subject = Subject(max(*args.batches, args.quality_pictures), settings(args))
    device = subject.device
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"the bench knows how to time cpu and cuda, got {device.type}; choose with --device")
    where = machine(device)
    batches = sorted(set(args.batches))
    engines = {f"engine@{batch}": EngineRun(subject, batch) for batch in batches}
    references = {f"{name}@1": ReferenceRun(subject, careful=careful) for name, careful in REFERENCES.items()}
    runs: dict[str, Run] = {**engines, **references}
    times = time_blocks(runs, device, args.repeats, args.block_seconds)
    lanes = [
        Lane(
            name=key.partition("@")[0],  # pyright: ignore[reportArgumentType]
            batch=run.batch,
            picture_step=spread(times[key]) if device.type == "cuda" else None,
            peak_bytes=_peak(_fresh(subject, key), device),
        )
        for key, run in runs.items()
    ]
    pairs = [(slow, fast) for slow in references for fast in engines]
    pairs += [(f"engine@{batches[0]}", fast) for fast in list(engines)[1:]]
    return StepReport(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=where,
        source=source(),
        device=device.type,  # pyright: ignore[reportArgumentType]
        settings={name: getattr(subject.job.config, name) for name in SHOWN}
        | {"dtype": str(subject.recipe.guides[0].perceptor.dtype).removeprefix("torch.")},
        lanes=lanes,
        ratios=[Ratio(slow=slow, fast=fast, times=ratio(times[slow], times[fast])) for slow, fast in pairs],
        quality=_quality(subject, args.quality_steps, args.quality_pictures),
    )


def _peak(run: Run, device: torch.device) -> int:
    return peak_bytes(lambda: run.advance(2), device)


def _fresh(subject: Subject, key: str) -> Run:
    name, _, batch = key.partition("@")
    if name == "engine":
        return EngineRun(subject, int(batch))
    return ReferenceRun(subject, careful=REFERENCES[name])


def _quality(subject: Subject, steps: int, pictures: int) -> Quality:
    """The same pictures from the same starts. The two references differ in waste only, so one stands for both."""
    engine = EngineRun(subject, pictures)
    before = subject.loss(engine.images())
    engine.advance(steps)
    losses = []
    for picture in range(pictures):
        run = ReferenceRun(subject, picture, careful=True)
        run.advance(steps)
        losses.append(subject.loss(run.images(), picture))
    return Quality(
        steps=steps,
        pictures=pictures,
        before=before,
        engine=subject.loss(engine.images()),
        reference=sum(losses) / len(losses),
    )


def table(report: StepReport) -> str:
    """The report for people."""
    chosen = report.settings
    lines = [
        f"{chosen['generator']} {chosen['width']}x{chosen['height']}, clip {' '.join(chosen['clip'])}, "
        f"{chosen['views']} views '{chosen['cutouts']}', {chosen['optimizer']}; "
        f"{report.machine.gpu or report.machine.processor}, torch {report.machine.torch}",
        f"{'':24}{'median':>9}{'p5':>9}{'p95':>9}",
    ]
    for one in report.ratios:
        times = one.times
        name = f"{one.slow} / {one.fast}"
        lines.append(f"{name:24}{times.median:>8.2f}x{times.p5:>8.2f}x{times.p95:>8.2f}x")
    for lane in report.lanes:
        timed = ""
        if lane.picture_step is not None:
            shown = (lane.picture_step.median, lane.picture_step.p5, lane.picture_step.p95)
            timed = "".join(f"{1e3 * value:>7.2f}ms" for value in shown) + "  "
        lines.append(f"{lane.name}@{lane.batch:<{23 - len(lane.name)}}{timed}peak {lane.peak_bytes / 2**20:.0f} MiB")
    quality = report.quality
    lines.append(
        f"loss of {quality.pictures} pictures after {quality.steps} steps: engine {quality.engine:.4f}, "
        f"reference {quality.reference:.4f} (before {quality.before:.4f})"
    )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        report = measure(args)
        print(table(report))
        if args.json is not None:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except UserError as error:
        print(f"bench.step: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
