"""Where reports are written and read: results/VERSION/SUITE--DEVICE.json. Knows nothing of what is in them."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from fastclipgen.errors import UserError

from . import guard
from .machine import device_name, machine, source
from .schema import READER, Report
from .schema_base import Source

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def begin(args: argparse.Namespace, device: torch.device, ops: tuple[str, ...], more: tuple[str, ...] = ()) -> dict:
    """What every report begins with, after the tests of `ops` and the test files `more` have been run.

    Raises guard.RedTests, and UserError for a device that cannot be timed and for options that contradict each other.
    """
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"the bench knows how to time cpu and cuda, got {device.type}; choose with --device")
    if args.unchecked and args.results is not None:
        raise UserError("--unchecked prints figures that nothing vouches for and writes none; leave out --results")
    tests = getattr(args, "tests", None)  # of bench.everything, which has run them
    if tests is None:
        tests = guard.UNCHECKED if args.unchecked else guard.check(ops, more)
    where = source()
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(device),
        "source": where if args.commit is None else Source(commit=args.commit, changed=where.changed),
        "device": device.type,
        "tests": tests,
    }


def write(report: Any, folder: Path) -> Path:
    """The report as a file below `folder`; an older one of the same version, suite and device is replaced."""
    where = folder / report.machine.fastclipgen / f"{report.suite}--{device_name(report.machine)}.json"
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write '{where}': {error.strerror}; choose another folder with --results") from None
    return where


def finish(args: argparse.Namespace, report: Report, table: str) -> None:
    """Prints the table, writes the file if asked to."""
    print(table, flush=True)
    if args.results is not None:
        print(f"wrote {write(report, args.results)}")


def read(folder: Path = RESULTS) -> dict[Path, Any]:
    """Every report below `folder`, by its path from there, newest version first. Raises ValueError for a wrong one."""
    files = sorted(folder.glob("*/*.json"), key=lambda path: (_numbers(path.parent.name), path.name))
    versions = sorted({path.parent.name for path in files}, key=_numbers, reverse=True)
    return {
        path.relative_to(folder): READER.validate_json(path.read_text(encoding="utf-8"))
        for version in versions
        for path in files
        if path.parent.name == version
    }


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
