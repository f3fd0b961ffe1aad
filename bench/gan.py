"""`fastclipgen bench gan`: latents of a GAN under CLIP, eight in one batch against one after the other.

The job is that of clipping-CLIP-to-GAN (one view of each picture, gradient descent), on a FastGAN of random weights and
the built-in CLIP. "published loop" is how that program goes about it (loop_gan.py); both take turns in one process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from fastclipgen.engine.device import resolve_device
from fastclipgen.models.fastgan import FastGAN, Geometry, settle

from .loop_gan import PublishedLoop
from .memory import peak_bytes
from .results import begin, finish
from .schema_base import Ratio
from .schema_gan import GanLane, GanReport
from .subject import EngineRun, Subject
from .timing import Run, ratio, spread, time_blocks

TESTS = ("tests/models/test_fastgan.py", "tests/generators/test_gan.py", "tests/config/test_gan.py")
LOOP, ENGINE = "published loop", "engine"


def random_weights(geometry: Geometry, file: Path) -> int:
    """Writes a generator of random weights, and says how many they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = FastGAN(geometry)
        settle(model, [(torch.randn(16, geometry.latent), None)])
    save_file(model.state_dict(), file)
    return sum(parameter.numel() for parameter in model.parameters())


def measure(args: argparse.Namespace) -> GanReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    header = begin(args, device, ("cutouts", "cosine_loss"), TESTS)
    geometry = Geometry.usual(args.side, args.base, args.latent)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "random.safetensors"
        parameters = random_weights(geometry, file)
        settings = {"gan": str(file), "compat": "clipping-clip-to-gan", "clip": ["builtin"], "device": args.device}
        subject = Subject(args.batch, settings | {"compile": args.compile})
    makers: dict[tuple[str, int], Callable[[], Run]] = {
        (LOOP, 1): lambda: PublishedLoop(subject),
        (ENGINE, 1): lambda: EngineRun(subject, 1),
        (ENGINE, args.batch): lambda: EngineRun(subject, args.batch),
    }
    times = time_blocks(
        {f"{name}@{batch}": make() for (name, batch), make in makers.items()}, device, args.repeats, args.block_seconds
    )
    together = f"{ENGINE}@{args.batch}"
    lanes = []
    for (name, batch), make in makers.items():
        run = make()
        run.advance(2)  # also compiles and records
        peak = max(1, peak_bytes(lambda run=run: run.advance(1), device))
        taken = spread(times[f"{name}@{batch}"]) if device.type == "cuda" else None
        lanes.append(GanLane(name=name, batch=batch, picture_step=taken, peak_bytes=peak))  # pyright: ignore[reportArgumentType]
    return GanReport(
        **header,
        side=args.side,
        latent=args.latent,
        parameters=parameters,
        lanes=lanes,
        ratios=[
            Ratio(slow=name, fast=together, times=ratio(times[name], times[together]))
            for name in times
            if name != together
        ],
    )


def table(report: GanReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"FastGAN of {report.side}x{report.side}, {report.parameters / 1e6:.2f} M parameters, time per latent and step",
    ]
    for one in report.ratios:
        lines.append(
            f"{f'{one.slow} / {one.fast}':32}{one.times.median:>8.2f}x{one.times.p5:>7.2f}{one.times.p95:>7.2f}"
        )
    for lane in report.lanes:
        seconds = f"  {1e3 * lane.picture_step.median:.2f} ms" if lane.picture_step else ""
        lines.append(f"{f'{lane.name}@{lane.batch}':32}{lane.peak_bytes / 2**20:>8.1f} MiB{seconds}")
    return "\n".join(lines)


def show(args: argparse.Namespace, report: GanReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("gan", run))
