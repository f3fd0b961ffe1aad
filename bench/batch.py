"""`fastclipgen bench batch`: prompts as one batch file, against one call or one command for each.

"one batch" is everything from the file to the pictures on the disk: the store, the models, packs, the manifest. "calls"
are calls of `generate` one after the other in the same process, whose pictures are saved; "commands" are calls of the
command line, each a process that loads torch and the models: a few of them, as they are all alike. What the process
loads once, it has loaded before. Two workers are two processes on one store, against one; it takes two processors.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastclipgen import generate
from fastclipgen.engine.device import resolve_device
from fastclipgen.errors import UserError
from fastclipgen.jobs.run import Engine, draw_batch, open_batch

from .captions import texts_of
from .cli import settings as settings_of
from .results import begin, finish
from .schema_base import Missing, Spread
from .schema_batch import BatchLane, BatchReport
from .timing import ratio, spread

TESTS = ("tests/jobs/test_store.py", "tests/jobs/test_worker.py", "tests/bench/test_batch.py")
SEED = 1


class Contest:
    """The same prompts, drawn in several ways, each time into a new folder below `folder`. settings: of all pictures;
    each picture has the seed that a batch gives it."""

    def __init__(self, prompts: Sequence[str], settings: dict[str, Any], folder: Path) -> None:
        self.prompts, self.settings, self.folder = prompts, settings, folder
        folder.mkdir(exist_ok=True)
        self.file = folder / "prompts.txt"
        self.file.write_text("\n".join(prompts), encoding="utf-8")

    def one_batch(self, out: Path) -> None:
        open_batch(self.file, out, {"count": 1, "seed": SEED, **self.settings})
        draw_batch(out, Engine(), _nothing, _nothing, lambda: False)

    def calls(self, out: Path) -> None:
        for index, prompt in enumerate(self.prompts):
            [result] = generate([prompt], seed=SEED + index, notice=_nothing, **self.settings)
            result.save(out / f"{index:06}.png")

    def command(self, out: Path) -> None:
        self._run(self.prompts[0], "-o", str(out / "one.png"), "--seed", str(SEED))

    def workers(self, out: Path, workers: int) -> None:
        self._run("batch", str(self.file), "-o", str(out), "--seed", str(SEED), "--workers", str(workers))

    def _run(self, *arguments: str) -> None:
        options = [part for name, value in _as_options(self.settings).items() for part in _option(name, value)]
        command = [sys.executable, "-m", "fastclipgen", *arguments, *options, "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise UserError(f"'{' '.join(command)}' ended with {done.returncode}: {done.stderr.strip()}")

    def seconds(self, way: Callable[[Path], None], pictures: int) -> float:
        """Wall-clock seconds of a picture. Raises UserError where there are not so many."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            begun = time.perf_counter()
            way(Path(name))
            taken = time.perf_counter() - begun
            made = len(list(Path(name).glob("*.png")))
        if made != pictures:
            raise UserError(f"expected {pictures} pictures, got {made}; see what 'fastclipgen batch' says of them")
        return taken / pictures


def _nothing(_: object) -> None:
    """Of what a run says, nothing is of interest here."""


def _as_options(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names of the command line's options, where they have others."""
    given = {name: value for name, value in settings.items() if name not in ("width", "height")}
    return given | ({"size": f"{settings['width']}x{settings['height']}"} if "width" in settings else {})


def _option(name: str, value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [part for one in values for part in (f"--{name.replace('_', '-')}", str(one))]


def measure(args: argparse.Namespace) -> BatchReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    header = begin(args, device, ("cutouts", "cosine_loss"), TESTS)
    settings = {"clip": ["builtin"]} | settings_of(args) | {"device": str(device), "steps": args.steps}
    prompts = texts_of(args.prompts, 1, shapes=True)
    missing: list[Missing] = []
    with tempfile.TemporaryDirectory() as name:
        contest = Contest(prompts, settings, Path(name))
        warm = Contest(prompts[:1], settings | {"steps": 1}, Path(name) / "warm")
        warm.seconds(warm.calls, 1)
        warm.seconds(warm.one_batch, 1)
        batch, calls = [], []
        for _ in range(args.repeats):
            batch.append(contest.seconds(contest.one_batch, len(prompts)))
            calls.append(contest.seconds(contest.calls, len(prompts)))
        commands = [contest.seconds(contest.command, 1) for _ in range(args.commands)]
        workers = None
        if _processors() < 2 and device.type == "cpu":
            missing.append(Missing(what="two workers", reason="the bench may use one processor only"))
        else:
            workers = _workers(contest, args.repeats)
    middle = spread(batch).median
    found = {"one batch": (len(prompts), batch), "calls": (len(prompts), calls), "commands": (1, commands)}
    lanes = [
        BatchLane.model_validate(
            {
                "name": name,
                "pictures": pictures,
                "picture": spread(times) if device.type == "cuda" else None,
                "of_batch": spread([one / middle for one in times]) if name == "commands" else ratio(times, batch),
            }
        )
        for name, (pictures, times) in found.items()
        if times
    ]
    return BatchReport(**header, missing=missing, prompts=len(prompts), settings=settings, lanes=lanes, workers=workers)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _workers(contest: Contest, repeats: int) -> Spread:
    one, two = (
        [contest.seconds(lambda out, n=n: contest.workers(out, n), len(contest.prompts)) for _ in range(repeats)]
        for n in (1, 2)
    )
    return ratio(one, two)


def table(report: BatchReport) -> str:
    """The report for people."""
    where = report.machine
    lines = [
        f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}",
        f"{report.prompts} prompts, {report.settings}; time of a picture, that in one batch is 1",
    ]
    for lane in report.lanes:
        one, each = lane.of_batch, f"  {lane.picture.median:.3f} s" if lane.picture else ""
        lines.append(f"{lane.name:12}{one.median:>8.2f}x{one.p5:>7.2f}{one.p95:>7.2f}{each}")
    if report.workers is not None:
        one = report.workers
        lines.append(f"{'two workers':12}{one.median:>8.2f}x{one.p5:>7.2f}{one.p95:>7.2f}  as fast as one")
    return "\n".join(lines + [f"not measured: {one.what}: {one.reason}" for one in report.missing])


def show(args: argparse.Namespace, report: BatchReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("batch", run))
