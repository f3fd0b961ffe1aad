"""`fastclipgen bench loops`: the engine's step against the loops that people ran, in one process, as ratios.

Each case is one job for three competitors: the engine, the "faithful" loop with the habits of whoever published it,
and a "fair" one that does the same without their waste and in the engine's precision. Both loops take one picture at a
time.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

from torch.utils.flop_counter import FlopCounterMode

from fastclipgen.engine.device import resolve_device
from fastclipgen.engine.race import Race
from fastclipgen.errors import UserError, unknown
from fastclipgen.ops import library

from .ceiling import MatrixProduct
from .cli import settings
from .habits import DAS, FAIR, PLAIN, VQGAN, Habits
from .loop_quality import quality
from .memory import peak_bytes
from .reference import ReferenceRun
from .results import begin, finish
from .schema import Lane, LoopCase, LoopsReport
from .schema_base import Missing, Ratio
from .subject import EngineRun, Subject
from .timing import Run, ratio, scaled, spread, time_blocks

SHOWN = (
    "generator",
    "width",
    "height",
    "views",
    "cutouts",
    "optimizer",
    "loss",
    "constraints",
    "steps",
    "tracks",
    "finalists",
    "compile",
)
TESTS = (
    "tests/bench/test_reference.py", "tests/bench/test_reference_vqgan.py", "tests/bench/test_loop_ra_views.py",
    "tests/bench/test_loop_rb_views.py",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A job. batches: pictures in one step of the engine; None: the tracks of one picture. quality_steps: None: all of
    the job's. starts: among which each compared picture begins at the best."""

    what: str
    settings: dict[str, Any]
    habits: Habits
    batches: tuple[int, ...] | None
    quality_steps: int | None
    quality_pictures: int
    starts: int = 1


MATRIX = "matrix product"  # among the competitors of each case
_CLIP = "random:ViT-B-32"  # times do not depend on what the weights are
CASES = {  # in order of importance
    "rb": Case(
        "R-B, nerdyrodent's VQGAN-CLIP, whole: through a VQGAN of the geometry of f16_16384",
        {
            "clip": [_CLIP],
            "generator": "vqgan",
            "vqgan": "random:f16-16384",
            "width": 512,
            "height": 512,
            "cutouts": "latest",
            "views": 32,
            "optimizer": "adam",
            "learning_rate": 0.1,
            "loss": "spherical",
            "constraints": [],
            "steps": 500,
        },
        VQGAN,
        (1,),
        2,
        1,
    ),
    "demo": Case("the default demo, built-in CLIP", {"clip": ["builtin"]}, PLAIN, None, None, 12, 512),
    "das": Case(
        "R-C, Direct Ascent Synthesis: 336 tensors (with one CLIP; --clip three times for its three)",
        {"clip": [_CLIP], "generator": "stack", "width": 224, "height": 224, "cutouts": "das", "views": 32},
        DAS,
        (1,),
        3,
        1,
    ),
    "vqgan": Case(
        "R-B, nerdyrodent's VQGAN-CLIP, on pixels",
        {"clip": [_CLIP], "generator": "pixels", "width": 512, "height": 512, "cutouts": "latest", "views": 32},
        VQGAN,
        (1,),
        3,
        1,
    ),
    "crowson": Case(
        "R-A, K. Crowson's z+quantize, on pixels",
        {"clip": [_CLIP], "generator": "pixels", "width": 480, "height": 480, "cutouts": "original", "views": 64},
        VQGAN,
        (1,),
        3,
        1,
    ),
}


def measure(args: argparse.Namespace) -> LoopsReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    for name in args.case or []:
        if name not in CASES:
            raise unknown("case", name, CASES)
    header = begin(args, resolve_device(args.device), library.OPS, TESTS)
    end = time.monotonic() + 60 * (args.minutes or float("inf"))
    cases: list[LoopCase] = []
    missing: list[Missing] = []
    reason = None
    for name in [name for name in CASES if not args.case or name in args.case]:
        if cases and time.monotonic() > end:
            missing.append(Missing(what=name, reason=f"the {args.minutes:g} minutes given were over"))
            continue
        try:
            cases.append(_case(name, CASES[name], args))
        except UserError as error:
            reason = error
            missing.append(Missing(what=name, reason=str(error)))
        except SystemExit:  # bench.everything is to end: what was measured is still reported
            if not cases:
                raise
            missing.append(Missing(what=name, reason="ended from outside"))
            break
    if reason is not None and not cases:
        raise reason
    return LoopsReport(**header, cases=cases, missing=missing)


def _case(name: str, case: Case, args: argparse.Namespace) -> LoopCase:
    chosen = case.settings | settings(args)
    subject = Subject(1, chosen)
    config, device = subject.job.config, subject.device
    tracks = config.tracks or 1
    batches = sorted(set(args.batches or case.batches or (tracks,)))
    pictures = args.quality_pictures or case.quality_pictures
    if max(*batches, pictures) > 1:
        subject = Subject(max(*batches, pictures), chosen)
    runs: dict[str, Run] = {f"engine@{batch}": EngineRun(subject, batch) for batch in batches}
    runs |= {"faithful@1": ReferenceRun(subject, habits=case.habits), "fair@1": ReferenceRun(subject, habits=FAIR)}
    warm_up = 1 if device.type == "cpu" else 3
    keys = list(runs)
    matrix = MatrixProduct(device, subject.recipe.guides[0].perceptor.dtype)
    times = time_blocks(runs | {MATRIX: matrix}, device, args.repeats, args.block_seconds, warm_up)
    flops = step_flops(runs["fair@1"])
    runs.clear()  # their memory is not to be counted with that of the next
    lanes = [_lane(subject, case, key, times[key], tracks) for key in keys]
    for key, lane in zip(keys, lanes, strict=True):
        lane.of_matrix = scaled(ratio(times[MATRIX], times[key]), flops / matrix.work.flops)
    pairs = [(slow, fast) for slow in keys[-2:] for fast in keys[:-2]]
    pairs += [(keys[0], fast) for fast in keys[1:-2]]
    return LoopCase(
        name=name,
        settings={key: getattr(config, key) for key in SHOWN}
        | {"clip": chosen["clip"], "generator": subject.recipe.generator.name, "engine": _dtype(subject)},
        flops=flops,
        lanes=lanes,
        ratios=[Ratio(slow=slow, fast=fast, times=ratio(times[slow], times[fast])) for slow, fast in pairs],
        quality=quality(subject, chosen, args.quality_steps or case.quality_steps, pictures, case.starts),
    )


def step_flops(run: Run) -> int:
    """Operations in the matrix products and convolutions of a step of one picture, counted."""
    counter = FlopCounterMode(display=False)
    with counter:
        run.advance(1)
    return counter.get_total_flops()


def _lane(subject: Subject, case: Case, key: str, times: list[float], tracks: int) -> Lane:
    name, batch = key.split("@")
    engine = name == "engine"
    run = EngineRun(subject, int(batch)) if engine else ReferenceRun(subject, habits=_habits(case, name))
    cuda = subject.device.type == "cuda"
    steps = subject.job.config.steps or 1
    race = Race(tracks, subject.job.config.finalists or tracks, steps)
    steps *= sum(rows * share for rows, share in race.parts)  # every track is a row that takes its steps
    dtype = None if engine else _habits(case, name).dtype
    return Lane(
        name=name,  # pyright: ignore[reportArgumentType]
        batch=int(batch),
        dtype=str(dtype).removeprefix("torch.") if dtype else _dtype(subject),
        picture_step=spread(times) if cuda else None,
        picture=spread(times).median * steps if cuda else None,
        peak_bytes=peak_bytes(lambda: run.advance(2), subject.device),
    )


def _habits(case: Case, name: Literal["faithful", "fair"] | str) -> Habits:
    return case.habits if name == "faithful" else FAIR


def _dtype(subject: Subject) -> str:
    return str(subject.recipe.guides[0].perceptor.dtype).removeprefix("torch.")


def table(report: LoopsReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}"]
    for case in report.cases:
        chosen = case.settings
        lines += [
            f"{case.name}: {CASES[case.name].what if case.name in CASES else ''}",
            f"  {chosen['generator']} {chosen['width']}x{chosen['height']}, clip {' '.join(chosen['clip'])}, "
            f"{chosen['views']} views '{chosen['cutouts']}', {chosen['optimizer']}",
            f"  {'time per picture and step':26}{'median':>9}{'p5':>9}{'p95':>9}",
        ]
        if case.flops is not None:
            lines.insert(-1, f"  {case.flops / 1e12:.3f} TFLOP in matrix products and convolutions of a step")
        for one in case.ratios:
            times = one.times
            lines.append(f"  {f'{one.slow} / {one.fast}':26}{times.median:>8.2f}x{times.p5:>8.2f}x{times.p95:>8.2f}x")
        for lane in case.lanes:
            timed = "" if lane.of_matrix is None else f"{lane.of_matrix.median:.0%} of a matrix product's speed, "
            if lane.picture_step is not None and lane.picture is not None:
                timed += f"{1e3 * lane.picture_step.median:.2f} ms a step, {lane.picture:.2f} s a picture, "
            peak = f"peak {lane.peak_bytes / 2**20:.0f} MiB"
            lines.append(f"  {f'{lane.name}@{lane.batch}':14}{lane.dtype:10}{timed}{peak}")
        good = case.quality
        lines.append(
            f"  loss of {good.pictures} pictures after {good.steps} steps: engine {good.engine:.4f}, "
            f"reference {good.reference:.4f} (before {good.before:.4f})"
        )
        for who, drawn in (good.drawn or {}).items():
            lines.append(f"  drawn as asked, {who}: colours {drawn.colours:.0%}, shapes {drawn.shapes:.0%}")
    return "\n".join(lines + [f"not measured: {one.what}: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: LoopsReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("loops", run))
