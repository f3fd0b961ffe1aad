"""`fastclipgen bench publish`: README.md and its charts from results/*/*.json, and from nothing else.

A test asserts that what is committed is what this makes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastclipgen.errors import UserError

from .chart import Bar, bars
from .machine import checkout
from .publish_tables import TABLES
from .results import RESULTS, read
from .schema import (
    BatchReport,
    CaptionsReport,
    ClipigReport,
    CvaeReport,
    GanReport,
    LadderReport,
    LoopsReport,
    OpsReport,
    PresetsReport,
    SamplingReport,
    VqganReport,
)

INTRO = """# Benchmarks

Made by `fastclipgen bench publish` from [results/](results); do not edit. How to measure:

```sh
fastclipgen bench ops       # every op: reference, reference compiled, each backend; share of what the device can do
fastclipgen bench loops     # whole steps against the loops that people ran, and whether the pictures are as good
fastclipgen bench ladder    # what each technique brings, one after the other
fastclipgen bench sampling  # CLIP-GEN's tokens, over a cache against a full forward for each
fastclipgen bench vqgan     # a VQGAN's decoder and its gradient, against eager torch
fastclipgen bench gan       # latents of a GAN, eight in one batch against one after the other
fastclipgen bench cvae      # a CVAE's training step: its condition folded into a bias, against tiled
fastclipgen bench captions  # embeddings of captions in a cache, against one at a time
fastclipgen bench clipig    # epochs of a YAML experiment, against the loop of the program whose grammar it is
fastclipgen bench batch     # prompts as one batch file, against one call or one command for each
fastclipgen bench presets   # what the quality presets cost
fastclipgen bench profile   # where the time of a run goes
```

`--results bench/results` writes the report that is published here; `scripts/gpu_check.sh` does all of it on a machine
with a GPU. Before anything is measured the tests of the measured ops are run; while they are red there are no figures.

Competitors take turns in short blocks in one process, and are compared block by block: a figure is the median of such
ratios, with the 5th and 95th percentile. Seconds are given for GPUs only. Memory is that of tensors at the fullest
moment, beyond models and parameters. "faithful" is a loop with the habits of whoever published it, in float32; "fair"
does the same without its waste, in the engine's precision. `random:` CLIPs have random weights, on which times do not
depend.
"""
SUITES = {
    "ops": "Ops",
    "loops": "Loops",
    "ladder": "Ladder",
    "sampling": "Sampling",
    "vqgan": "VQGAN",
    "gan": "GAN",
    "presets": "Presets",
    "cvae": "CVAE",
    "captions": "Captions",
    "clipig": "YAML experiments",
    "batch": "Batch files",
}


def files(results: Path = RESULTS) -> dict[str, str]:
    """Every file to publish by its path from bench/: README.md and the charts. Raises UserError for a wrong report."""
    try:
        reports = read(results)
    except ValueError as error:
        raise UserError(
            f"a file in '{results}' is no report of a bench ({str(error).splitlines()[0]}); remove it"
        ) from error
    made: dict[str, str] = {}
    parts = [INTRO]
    if not reports:
        parts.append("No results have been published yet.\n")
    for path, report in reports.items():
        chart = path.with_suffix(".svg")
        made[f"results/{chart.as_posix()}"] = _CHARTS[report.suite](report)
        where = report.machine
        device = where.gpu or f"{where.processor}, {where.cores} cores, {where.threads} threads"
        commit = f"commit {report.source.commit[:12]}{' (changed)' if report.source.changed else ''}, " * bool(
            report.source.commit
        )
        parts.append(
            f"## {SUITES[report.suite]}: {device}, version {path.parent.name}\n\n"
            f"{report.date[:10]}, {commit}torch {where.torch}, Python {where.python}, "
            f"[{path.name}](results/{path.as_posix()}). Tests: {report.tests}.\n\n"
            f"![{SUITES[report.suite]}](results/{chart.as_posix()})\n\n{TABLES[report.suite](report)}"
        )
        if report.missing:
            lines = [f"- {one.what}: {one.reason}" for one in report.missing]
            parts.append("Not measured:\n\n" + "\n".join(lines) + "\n")
    return {"README.md": "\n".join(parts)} | made


def _ops_chart(report: OpsReport) -> str:
    lanes = [lane for lane in report.lanes if lane.chosen and lane.backend != "reference"]
    return bars(
        "Ops: speed of the chosen backend; plain torch is 1",
        "x",
        [Bar(f"{one.op} {one.case} @{one.batch} {_short(one.direction)}", *_ends(one.speedup)) for one in lanes],
        mark=1.0,
    )


def _loops_chart(report: LoopsReport) -> str:
    found = [
        Bar(f"{case.name}: {one.slow} / {one.fast}", *_ends(one.times))
        for case in report.cases
        for one in case.ratios
        if not one.slow.startswith("engine")
    ]
    return bars("Loops: time per picture and step against the engine's", "x", found, mark=1.0)


def _ladder_chart(report: LadderReport) -> str:
    found = [Bar(rung.name, *_ends(rung.faster_than_first)) for rung in report.rungs]
    return bars("Ladder: speed with everything up to here; the published loop is 1", "x", found, mark=1.0)


def _sampling_chart(report: SamplingReport) -> str:
    found = [Bar(lane.name, *_ends(lane.faster)) for lane in report.lanes if lane.faster is not None]
    return bars("Sampling: speed; a full forward for each token is 1", "x", found, mark=1.0)


def _vqgan_chart(report: VqganReport) -> str:
    found = [Bar(lane.name, *_ends(lane.faster)) for lane in report.lanes]
    return bars("VQGAN, decode and gradient: speed; eager float32 is 1", "x", found, mark=1.0)


def _gan_chart(report: GanReport) -> str:
    found = [Bar(one.slow, *_ends(one.times)) for one in report.ratios]
    return bars(f"GAN: time per latent and step; that of {report.ratios[0].fast} is 1", "x", found, mark=1.0)


def _presets_chart(report: PresetsReport) -> str:
    found = [Bar(lane.name, *_ends(lane.of_first)) for lane in report.lanes]
    return bars(f"Presets: time of a step; that of {report.lanes[0].name} is 1", "x", found, mark=1.0)


def _cvae_chart(report: CvaeReport) -> str:
    found = [Bar(f"{lane.part}, {lane.name}", *_ends(lane.faster)) for lane in report.lanes]
    return bars("CVAE: speed of training; tiled is 1", "x", found, mark=1.0)


def _captions_chart(report: CaptionsReport) -> str:
    found = [Bar(lane.name, *_ends(lane.faster)) for lane in report.lanes]
    return bars("Captions: speed of embedding; one at a time is 1", "x", found, mark=1.0)


def _clipig_chart(report: ClipigReport) -> str:
    found = [Bar(lane.name, *_ends(lane.faster)) for lane in report.lanes]
    return bars("YAML experiments: speed of an epoch; the published loop is 1", "x", found, mark=1.0)


def _batch_chart(report: BatchReport) -> str:
    found = [Bar(lane.name, *_ends(lane.of_batch)) for lane in report.lanes]
    return bars("Batch files: time of a picture; in one batch it is 1", "x", found, mark=1.0)


_CHARTS: dict[str, Callable[[Any], str]] = {
    "ops": _ops_chart, "loops": _loops_chart, "ladder": _ladder_chart, "sampling": _sampling_chart,
    "vqgan": _vqgan_chart,
    "gan": _gan_chart, "presets": _presets_chart, "cvae": _cvae_chart, "captions": _captions_chart,
    "clipig": _clipig_chart, "batch": _batch_chart,
}  # fmt: skip


def _short(direction: str) -> str:
    return "fwd" if direction == "forward" else "fwd+bwd"


def _ends(one: Any) -> tuple[float, float, float]:
    return one.median, one.p5, one.p95


def stale(home: Path, made: dict[str, str]) -> list[str]:
    """The files below `home` that are not what was made, old charts without a report among them."""
    wrong = [name for name, text in made.items() if not _is(home / name, text)]
    charts = {path.relative_to(home).as_posix() for path in home.glob("results/*/*.svg")}
    return sorted([*wrong, *(charts - made.keys())])


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def run(args: argparse.Namespace) -> int:
    root = checkout()
    if root is None:
        raise UserError("publishing writes bench/README.md of a checkout of the sources; this copy is installed")
    home = root / "bench"
    made = files(home / "results")
    wrong = stale(home, made)
    if args.check:
        print("\n".join(f"not up to date: bench/{name}" for name in wrong) or "bench/README.md is up to date")
        return 1 if wrong else 0
    for name in wrong:
        if name in made:
            (home / name).write_text(made[name], encoding="utf-8")
        else:
            (home / name).unlink()
        print(f"{'wrote' if name in made else 'removed'} bench/{name}")
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("publish", run))
