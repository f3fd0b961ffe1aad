"""`fastclipgen bench ops`: each op at the shapes of the loops, by every backend, forward and with its gradient.

Modules bench/ops_NAME.py are found by their names. Everything of a case is timed in turn, the device's ceilings too.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from fastclipgen.engine.device import resolve_device
from fastclipgen.errors import UserError, unknown
from fastclipgen.ops import library

from .ceiling import Copy, MatrixProduct
from .memory import peak_bytes
from .op_case import COMPILED, REFERENCE, WHOLE, OpCase, OpRun, Ready, Work
from .results import begin, finish
from .schema import Ceilings, OpLane, OpsReport
from .schema_base import Missing
from .timing import ratio, scaled, spread, time_blocks

COPY, MATRIX = "copy", "matrix product"  # among the competitors of each case
DIRECTIONS: tuple[Literal["forward", "forward+backward"], ...] = ("forward", "forward+backward")


def modules() -> dict[str, Any]:
    """The modules bench/ops_NAME.py by the op that each measures."""
    names = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.name[:4] == "ops_"]
    loaded = [importlib.import_module(f"{__package__}.{name}") for name in names]
    return {module.OP: module for module in loaded}


def measure(args: argparse.Namespace) -> OpsReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device, known = resolve_device(args.device), modules()
    for name in args.op or []:
        if name not in known:
            raise unknown("op", name, known)
    asked = [op for op in known if not args.op or op in args.op]
    header = begin(args, device, tuple(asked))
    begun, seconds = time.monotonic(), 60 * (args.minutes or float("inf"))
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    ceilings = {COPY: Copy(device), MATRIX: MatrixProduct(device, dtype)}
    lanes: list[OpLane] = []
    missing: list[Missing] = []
    rates: dict[str, list[float]] = {COPY: [], MATRIX: []}
    for batch in args.batches or ([1] if device.type == "cpu" else [1, 32]):
        for case in [case for op in asked for case in known[op].cases(batch, device, args.small)]:
            if time.monotonic() > begun + seconds:
                missing.append(Missing(what=_title(case), reason=f"the {args.minutes:g} minutes given were over"))
                continue
            late = time.monotonic() > begun + seconds / 2
            no_compile = "left out (--no-compile)" if args.no_compile else "no time for it (--minutes)" if late else ""
            found, lacking, times = _case(case, device, ceilings, args, no_compile)
            lanes, missing = lanes + found, missing + lacking
            rates[COPY] += [ceilings[COPY].work.bytes / seconds for seconds in times[COPY]]
            rates[MATRIX] += [ceilings[MATRIX].work.flops / seconds for seconds in times[MATRIX]]
    if not lanes:
        raise UserError(f"nothing could be measured within {args.minutes:g} minutes; give --minutes more")
    absolute = Ceilings(copy_bytes=spread(rates[COPY]), matrix_flops=spread(rates[MATRIX]))
    return OpsReport(
        **header,
        dtype=str(dtype).removeprefix("torch."),
        ceilings=absolute if device.type == "cuda" else None,
        lanes=lanes,
        missing=missing,
    )


def _title(case: OpCase) -> str:
    return f"{case.op} {case.name}, batch {case.batch}"


def _case(
    case: OpCase, device: torch.device, ceilings: dict[str, Any], args: argparse.Namespace, no_compile: str
) -> tuple[list[OpLane], list[Missing], dict[str, list[float]]]:
    """The lanes of a case, what is missing, and the seconds of every competitor by name."""
    ready, missing = case.make(), []
    calls, reasons = _calls(case, ready, device, no_compile)
    missing = [Missing(what=f"{_title(case)}, {name}", reason=reason) for name, reason in reasons.items()]
    runs: dict[str, Any] = dict(ceilings)
    for direction in DIRECTIONS[: 1 if case.backward is None else 2]:
        for name, call in calls.items():
            run = OpRun(call, ready.leaves, direction == DIRECTIONS[1])
            try:
                run.advance(1)  # also compiles
            except Exception as error:  # whatever a compiler or a kernel raises is a result of this bench
                if name == REFERENCE:
                    raise
                reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]:.160}"
                missing.append(Missing(what=f"{_title(case)}, {name}, {direction}", reason=reason))
                continue
            runs[f"{direction} {name}"] = run
    times = time_blocks(runs, device, args.repeats, args.block_seconds)
    chosen = REFERENCE if case.only_reference else library.choose(case.op, device)
    lanes = []
    for direction in DIRECTIONS:
        for name in [name for name in calls if f"{direction} {name}" in runs]:
            lanes.append(_lane(case, ready, name, direction, times, ceilings, device, name == chosen))
            run = runs[f"{direction} {name}"]
            lanes[-1].peak_bytes = peak_bytes(lambda run=run: run.advance(1), device)
    return lanes, missing, times


def _calls(
    case: OpCase, ready: Ready, device: torch.device, no_compile: str
) -> tuple[dict[str, Callable[..., Tensor]], dict[str, str]]:
    """The competitors by name, and why the others are none. no_compile: why torch.compile is not among them, if so."""

    def by(backend: str) -> Callable[..., Tensor]:
        return lambda *leaves: ready.run(backend, *leaves)

    calls: dict[str, Callable[..., Tensor]] = {REFERENCE: by(REFERENCE)}
    reasons: dict[str, str] = {}
    if no_compile:
        reasons[COMPILED] = no_compile
    else:
        torch._dynamo.reset()  # cases share code, of which only so many forms are compiled
        calls[COMPILED] = torch.compile(by(REFERENCE), fullgraph=True, dynamic=False)
    for backend, reason in library.available(case.op, device).items():
        if backend == REFERENCE:
            continue
        if reason or case.only_reference:
            reasons[backend] = reason or case.only_reference
        else:
            calls[backend] = by(backend)
    if ready.yardstick is not None:
        calls[ready.yardstick[0]] = ready.yardstick[1]
    if ready.whole is not None:
        calls[WHOLE] = ready.whole
    return calls, reasons


def _lane(
    case: OpCase,
    ready: Ready,
    name: str,
    direction: Literal["forward", "forward+backward"],
    times: dict[str, list[float]],
    ceilings: dict[str, Any],
    device: torch.device,
    chosen: bool,
) -> OpLane:
    mine, reference = times[f"{direction} {name}"], times[f"{direction} {REFERENCE}"]
    work = case.forward + (case.backward or Work(0, 0)) if direction == DIRECTIONS[1] else case.forward
    other = None if ready.yardstick is None else times.get(f"{direction} {ready.yardstick[0]}")
    copy, matrix = ceilings[COPY].work, ceilings[MATRIX].work
    return OpLane(
        op=case.op,
        case=case.name,
        batch=case.batch,
        direction=direction,
        backend=name,
        chosen=chosen,
        seconds=spread(mine) if device.type == "cuda" else None,
        speedup=ratio(reference, mine),
        yardstick=None if other is None or ready.yardstick is None else ready.yardstick[0],
        over_yardstick=None if other is None else ratio(other, mine),
        bytes=work.bytes,
        flops=work.flops,
        of_copy=scaled(ratio(times[COPY], mine), work.bytes / copy.bytes),
        of_matrix=scaled(ratio(times[MATRIX], mine), work.flops / matrix.flops),
        peak_bytes=0,
    )


def table(report: OpsReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}"]
    if report.ceilings is not None:
        copy, matrix = report.ceilings.copy_bytes.median, report.ceilings.matrix_flops.median
        lines.append(f"a copy: {copy / 1e12:.2f} TB/s; a {report.dtype} matrix product: {matrix / 1e12:.0f} TFLOP/s")
    lines.append(
        f"{'speed of the reference: 1':44}{'speed':>8}{'p5':>8}{'p95':>8}{'of copy':>9}{'of mm':>7}{'peak MiB':>10}"
    )
    last = ""
    for lane in report.lanes:
        title = f"{lane.op} {lane.case}, batch {lane.batch}, {lane.direction}"
        if title != last:
            lines.append(title)
            last = title
        one = lane.speedup
        text = f"  {lane.backend}{' *' if lane.chosen else '':2}"
        lines.append(
            f"{text:44}{one.median:>8.2f}{one.p5:>8.2f}{one.p95:>8.2f}{lane.of_copy.median:>9.1%}"
            f"{lane.of_matrix.median:>7.1%}{lane.peak_bytes / 2**20:>10.1f}"
            + (f"  {1e6 * lane.seconds.median:.0f} us" if lane.seconds else "")
            + (f"  {lane.over_yardstick.median:.2f}x {lane.yardstick}" if lane.over_yardstick else "")
        )
    lines += [f"not measured: {one.what}: {one.reason}" for one in report.missing]
    return "\n".join([*lines, "* what the package takes"])


def show(args: argparse.Namespace, report: OpsReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("ops", run))
