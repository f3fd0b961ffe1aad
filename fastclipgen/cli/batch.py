"""`fastclipgen batch FILE -o DIR`: options, what is said, the exit code. The work is in fastclipgen.jobs."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fastclipgen.cli.generate import add_setting_arguments, values_of
from fastclipgen.cli.parser import whole
from fastclipgen.cli.report import Reporter
from fastclipgen.errors import UserError
from fastclipgen.stop import Stop

if TYPE_CHECKING:
    from fastclipgen.jobs.run import Opened, Settled

_NAMED = 5  # rows that are refused, in notices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "draws every row of FILE: .txt with a prompt a line, .csv, .jsonl or .yaml with a prompt and settings of its "
        "own; the options below hold for all rows that say nothing else. Run it again to go on after whatever stopped "
        "it, or with more rows; several processes may work on one folder."
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="the batch file")
    add_setting_arguments(parser, prompts=False)
    group = parser.add_argument_group("batch")
    add = group.add_argument
    add("-o", "--output", metavar="DIR", help="folder of the pictures, manifest.jsonl and the record of what is done")
    text = "processes on this machine; default 1, or one for each of --devices"
    add("--workers", type=whole(1), metavar="N", help=text)
    add("--devices", metavar="A,B", help="such as 0,1: a process for each of these CUDA devices, or cpu, cuda:1")
    add("--engine", choices=["local", "ray"], default="local", help="ray: actors of a ray cluster, --workers of them")
    add("--address", metavar="HOST:PORT", help="of the ray cluster; default: one of this machine, for this batch")
    add("--retry-failed", action="store_true", help="try again what failed before")
    add("--plan", action="store_true", help="say how FILE would be drawn, in what memory and time, and draw nothing")
    add("--status", metavar="DIR", help="show how far the batch in this folder has come, and draw nothing")
    speech = group.add_mutually_exclusive_group()
    speech.add_argument("--quiet", action="store_true", help="print nothing but errors, not even paths")
    speech.add_argument("--json", action="store_true", help="print one JSON line per event on stdout")


def run(args: argparse.Namespace) -> int:
    if args.status is not None:
        return _status(args)
    if args.plan and args.file is not None:
        return _plan(args)
    if args.file is None or args.output is None:
        raise UserError("expected a batch file and a folder; write: fastclipgen batch FILE -o DIR")
    from fastclipgen.jobs.run import Engine, draw_batch, open_batch

    folder, reporter = Path(args.output).expanduser(), Reporter(0, args.quiet, args.json)
    if args.address is not None and args.engine != "ray":
        raise UserError("--address is that of a ray cluster; add --engine ray, or leave it out")
    if args.devices is not None and args.engine == "ray":
        raise UserError("the actors of a ray cluster get their devices from it; use --workers instead of --devices")
    engine = Engine(devices_of(args), args.engine == "ray", args.address, args.trust_gan)
    opened = open_batch(Path(args.file).expanduser(), folder, values_of(args), args.retry_failed)
    progress = Progress(folder, reporter, opened)
    stop = Stop(progress.stopping)
    with stop:
        draw_batch(folder, engine, progress.settled, reporter.notice, lambda: stop.asked)
    progress.end(stop.asked)
    return stop.exit_code


def devices_of(args: argparse.Namespace) -> list[str | None]:
    """The device of each process; None: as the settings say. Raises UserError."""
    if args.devices is None:
        return [None] * (args.workers or 1)
    if args.workers is not None:
        raise UserError("--workers and --devices both say how many processes there are; leave one of them out")
    names = [name.strip() for name in args.devices.split(",")]
    if not all(names):
        raise UserError(f"expected devices as in --devices 0,1, got '{args.devices}'")
    return [f"cuda:{name}" if name.isdigit() else name for name in names]


def _status(args: argparse.Namespace) -> int:
    from fastclipgen.jobs.status import read_status

    status = read_status(Path(args.status).expanduser())
    print(json.dumps(status.as_dict()) if args.json else "\n".join(status.lines()))
    return 0


def _plan(args: argparse.Namespace) -> int:
    from fastclipgen.jobs.plan import plan_batch

    reporter = Reporter(0, args.quiet, args.json)
    plan = plan_batch(Path(args.file).expanduser(), values_of(args), devices_of(args), reporter.notice)
    print(json.dumps(plan.as_dict()) if args.json else "\n".join(plan.lines()))
    return 0


class Progress:
    """What is said of a batch while it is drawn, and at its end."""

    def __init__(self, folder: Path, reporter: Reporter, opened: Opened) -> None:
        from fastclipgen.jobs.status import read_status

        self.folder, self.reporter = folder, reporter
        self.before = read_status(folder)
        self.left = self.before.waiting + self.before.drawing
        self.done, self.failed = 0, []
        self.begun = self.last = time.monotonic()
        reporter.event(
            "start", pictures=self.before.total, done=self.before.done, failed=self.before.failed, new=opened.new
        )
        for row in opened.refused[:_NAMED]:
            reporter.notice(f"line {row.line} cannot be drawn: {row.error}")
        if not reporter.json:
            reporter.notice(f"{self.left} of {self.before.total} pictures are to be drawn")

    def stopping(self, line: str) -> None:
        self.reporter.notice("stopping after this step; what is finished is kept, run the command again to go on")

    def settled(self, one: Settled) -> None:
        if one.error is not None:
            self.failed.append(one)
            self.reporter.event("failed", **one._asdict())
            if not self.reporter.json:
                self.reporter.notice(f"picture {one.number} (line {one.line}) failed: {one.error}")
            return
        self.done += 1
        values = {name: value for name, value in one._asdict().items() if name not in ("file", "error")}
        self.reporter.written("picture", str(self.folder / (one.file or "")), **values)
        now = time.monotonic()
        if now - self.last > self.reporter.interval:
            self.last = now
            self._say(now)

    def _say(self, now: float) -> None:
        from fastclipgen.jobs.status import duration

        speed = self.done / (now - self.begun)
        left = self.left - self.done - len(self.failed)
        self.reporter.event("progress", done=self.done, left=left, per_minute=round(60 * speed, 2))
        if not self.reporter.json:
            self.reporter.notice(
                f"{self.done} of {self.left} pictures, {60 * speed:.1f} a minute, {duration(left / speed)} left"
            )

    def end(self, interrupted: bool) -> None:
        """Raises UserError where something could not be drawn."""
        from fastclipgen.jobs.status import read_status

        status = read_status(self.folder)
        seconds = round(time.monotonic() - self.begun, 3)
        self.reporter.event(
            "done", seconds=seconds, pictures=self.done, failed=len(self.failed), refused=status.refused,
            waiting=status.waiting + status.drawing, interrupted=interrupted,
        )  # fmt: skip
        if interrupted:
            return
        if self.done and not self.reporter.json:
            self.reporter.notice(f"{self.done} pictures in {seconds:.0f} s, {60 * self.done / seconds:.1f} a minute")
        if status.failed or status.refused:
            raise UserError(
                f"{status.failed} of {status.total} pictures failed and {status.refused} rows cannot be drawn, all "
                f"others are in '{self.folder}'; mend the rows, or add --retry-failed, and run the command again"
            )
