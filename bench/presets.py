"""`fastclipgen bench presets`: what the quality presets cost, in a step and in a picture, as ratios to the first.

Generator vqgan of the geometry of vqgan_imagenet_f16_16384 under the presets' CLIPs, all with random weights. On a CPU
pictures have fewer pixels, and views are fewer in the same measure (`--shrink`); what a step of the whole size computes
and keeps is counted on shapes.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from fastclipgen.config import presets, resources
from fastclipgen.config.defaults import COMMON, REAL
from fastclipgen.config.run import RunConfig
from fastclipgen.engine import memory
from fastclipgen.engine.device import resolve_device
from fastclipgen.generators import registry
from fastclipgen.generators.base import Generator
from fastclipgen.perceptors.base import FrozenPerceptor

from .memory import peak_bytes
from .random_clip import PREFIX
from .results import begin, finish
from .schema import PresetLane, PresetsReport
from .subject import EngineRun, Subject
from .timing import ratio, spread, time_blocks

TESTS = ("tests/config/test_presets.py", "tests/generators/test_vqgan.py", "tests/engine/test_memory.py")
VQGAN = "random:f16-16384"
SIDE = 16  # of a token


def measure(args: argparse.Namespace) -> PresetsReport:
    """Everything the report holds. Raises UserError and guard.RedTests."""
    device = resolve_device(args.device)
    header = begin(args, device, (), TESTS)
    shrink = args.shrink or (4 if device.type == "cpu" else 1)
    names = args.preset or list(presets.NAMES)
    subjects = {name: _subject(name, shrink, args) for name in names}
    runs = {name: EngineRun(subject, 1) for name, (subject, _) in subjects.items()}
    times = time_blocks(runs, device, args.repeats, args.block_seconds, warm_up=1 if device.type == "cpu" else 3)
    first = (times[names[0]], subjects[names[0]][1].steps or 1)
    lanes = [
        _lane(name, subjects[name], times[name], first, peak_bytes(lambda run=runs[name]: run.advance(1), device))
        for name in names
    ]
    return PresetsReport(**header, shrink=shrink, lanes=lanes)


def _lane(
    name: str, measured: tuple[Subject, RunConfig], times: list[float], first: tuple[list[float], int], peak: int
) -> PresetLane:
    """A preset's row. times: seconds of its steps; first: the same of the first preset, and how many steps it takes."""
    subject, whole = measured
    eyes = [one.perceptor for one in subject.job.loaded]
    model: Any = subject.recipe.generator.get_submodule("model")
    drawer = registry.create("vqgan", whole.height or 1, whole.width or 1, whole.optimizer, model)
    share, steps, views = ratio(times, first[0]), whole.steps or 1, whole.views or 1
    return PresetLane(
        name=name,
        clips=[clip.removeprefix(PREFIX) for clip in _clips(name)],
        side=whole.width or 1,
        views=views,
        steps=steps,
        dtype=str(eyes[0].dtype).removeprefix("torch."),
        step=spread(times) if subject.device.type == "cuda" else None,
        of_first=share,
        picture_of_first=share.median * steps / first[1],
        peak_bytes=peak,
        flops=arithmetic(drawer, eyes, views),
        planned_bytes=resources.estimate_memory(whole, eyes, 1, subject.device, drawer).total,
    )


def _clips(name: str) -> list[str]:
    return [f"{PREFIX}{clip.partition(':')[0]}" for clip in presets.CLIPS[name]]


def _subject(name: str, shrink: int, args: argparse.Namespace) -> tuple[Subject, RunConfig]:
    """What is measured of a preset, and the settings of its whole size."""
    settings: dict[str, Any] = {"preset": name, "generator": "vqgan", "vqgan": VQGAN, "clip": _clips(name)}
    settings |= {key: getattr(args, key) for key in ("device", "precision", "compile")}
    whole = presets.scaled(COMMON | REAL["vqgan"], name, builtin=False)
    settings |= {key: whole[key] for key in ("steps", "cutouts", "loss", "learning_rate")}
    side, views = max(1, round(whole["size"] / shrink / SIDE)) * SIDE, max(1, round(whole["views"] / shrink**2))
    subject = Subject(1, settings | {"width": side, "height": side, "views": views})
    asked = {"width": whole["size"], "height": whole["size"], "views": whole["views"]}
    return subject, subject.job.config.model_copy(update=asked)


def arithmetic(generator: Generator, eyes: list[FrozenPerceptor], views: int) -> int:
    """Floating-point operations of one step of one picture in the generator and in all CLIPs, with `views` views each:
    forwards, and backwards to the parameters of the picture. Counted on shapes."""
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        memory.drawing_on_shapes(generator, 1)[0].sum().backward()
        for eye in eyes:
            memory.on_shapes(eye, views)[0].sum().backward()
    return counter.get_total_flops()


def table(report: PresetsReport) -> str:
    """The report for people."""
    where, first = report.machine, report.lanes[0].name
    lines = [f"{where.gpu or where.processor}, {where.threads} threads, torch {where.torch}; tests: {report.tests}"]
    if report.shrink > 1:
        lines.append(f"steps measured with 1/{report.shrink**2} of the pixels and of the views")
    for lane in report.lanes:
        timed = "" if lane.step is None else f"{1e3 * lane.step.median:.1f} ms a step, "
        lines.append(
            f"{lane.name:8}{timed}step {lane.of_first.median:.2f}x {first}'s, picture of {lane.steps} steps "
            f"{lane.picture_of_first:.1f}x, peak {lane.peak_bytes / 2**20:.0f} MiB; "
            f"{lane.side} px, {lane.views} views: {lane.flops / 1e12:.2f} TFLOP a step, "
            f"planned {lane.planned_bytes / 2**30:.2f} GiB"
        )
    return "\n".join(lines)


def show(args: argparse.Namespace, report: PresetsReport) -> None:
    finish(args, report, table(report))


def run(args: argparse.Namespace) -> int:
    show(args, measure(args))
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("presets", run))
