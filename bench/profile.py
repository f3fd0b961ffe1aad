"""`fastclipgen bench profile`: where the time of a run goes, and within a step, which part takes which share.

The package holds no profiling code: for the length of a measurement its functions are wrapped from outside. Time of the
backward pass is put down to the part whose forward pass it differentiates. Only shares are printed: a profiler slows
small operations, and seconds on a CPU depend on what else it does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from torch.profiler import ProfilerActivity, profile, record_function

from fastclipgen.api import Job
from fastclipgen.config.run import RunConfig, make_config
from fastclipgen.engine import sight as sight_module
from fastclipgen.engine import step as step_module
from fastclipgen.engine.device import resolve_device
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.optimizers import Optimizer
from fastclipgen.engine.stepper import EAGER, Stepper
from fastclipgen.perceptors.base import FrozenPerceptor

from .cli import settings
from .subject import EngineRun, Subject
from .timing import synchronise

# Where each part of a step is entered: (owner, attribute) -> part. The innermost range counts.
STEP = "step"
REST = "rest of the step"
PRECONDITION = "preconditioner"  # a method of the generator's own class
_BACKWARD = "autograd::engine::evaluate_function"
PARTS: dict[tuple[Any, str], str] = {
    (step_module, "canvas"): "generator",
    (sight_module, "sample_cutouts"): "cutouts: draws",
    (sight_module, "cutouts"): "cutouts: views",
    (FrozenPerceptor, "encode_image"): "perceptor",
    (sight_module, "cosine_loss"): "loss",
    (step_module, "total"): "constraints",
    (Optimizer, "update"): "optimiser",
}
PHASES: dict[tuple[Any, str], str] = {
    (Engine, "_best_starts"): "scoring starts",
    (Stepper, "take"): "steps",
    (Engine, "_publish"): "last picture",
}


class Share(NamedTuple):
    """Of a step's time."""

    forward: float
    backward: float


@contextmanager
def wrapped(places: dict[tuple[Any, str], Any], around: Callable[[Any], Any]) -> Iterator[None]:
    """Inside, every (owner, attribute) is entered through the context manager `around(value)`."""

    def wrap(function: Callable[..., Any], value: Any) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            with around(value):
                return function(*args, **kwargs)

        return inner

    with ExitStack() as stack:
        for (owner, name), value in places.items():
            stack.enter_context(patch.object(owner, name, wrap(getattr(owner, name), value)))
        yield


def step_shares(run: EngineRun, steps: int) -> dict[str, Share]:
    """The share of the time of a step that each part takes; all of them add up to 1."""
    device = run.subject.device
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    run.advance(3)
    synchronise(device)
    places = PARTS | {(type(run.subject.recipe.generator), "precondition"): PRECONDITION}
    with wrapped(places, record_function), profile(activities=activities) as profiler:
        for _ in range(steps):
            with record_function(STEP):
                run.advance(1)
        synchronise(device)
    # the device's own copies of the ranges would count everything twice
    events = [event for event in profiler.events() or [] if event.device_type.name == "CPU"]
    return attribute(events, "device_time_total" if device.type == "cuda" else "cpu_time_total")


def attribute(events: Sequence[Any], clock: str) -> dict[str, Share]:
    """`step_shares` from a profiler's events; `clock` names the attribute that holds an event's time.

    autograd numbers the operations of a forward pass, and its own carry the number of the one they differentiate. An
    operation without a gradient shows the number of the next one that has one, so the last to show a number owns it.
    """
    parts = {STEP, PRECONDITION, *PARTS.values()}
    forward: dict[str, float] = defaultdict(float)
    backward: dict[str, float] = defaultdict(float)
    owner: dict[int, str] = {}
    for event in sorted(events, key=lambda event: event.time_range.start):
        part = _around(event, parts)
        if event.name in parts:
            forward[event.name] += getattr(event, clock)
        elif event.name.startswith(_BACKWARD):
            backward[owner.get(event.sequence_nr, STEP)] += getattr(event, clock)
        else:
            if event.sequence_nr >= 0 and part is not None:
                owner[event.sequence_nr] = part
            continue
        if part is not None:  # on a CPU the backward pass runs inside the step, on a GPU in a thread of its own
            forward[part] -= getattr(event, clock)
    total = sum(forward.values()) + sum(backward.values())
    return {part: Share(forward[part] / total, backward[part] / total) for part in {**forward, **backward}}


def _around(event: Any, parts: set[str]) -> str | None:
    """The innermost range that an event lies in."""
    while (event := event.cpu_parent) is not None:
        if event.name in parts:
            return event.name
    return None


def run_shares(config: RunConfig) -> dict[str, float]:
    """The share of a whole run that each phase takes, from an empty process to the finished picture in memory."""
    spent: dict[str, float] = defaultdict(float)
    device = resolve_device(config.device)

    @contextmanager
    def clock(phase: str) -> Iterator[None]:
        synchronise(device)
        begin = time.perf_counter()
        yield
        synchronise(device)
        spent[phase] += time.perf_counter() - begin

    with clock("imports"):
        subprocess.run([sys.executable, "-c", "import fastclipgen.api, torch"], check=True)
    with clock("models"):
        job = Job(config, notice=lambda line: None)
    with wrapped(PHASES, clock), clock("all"):
        for _ in job.run():
            pass
    inside = sum(spent[phase] for phase in PHASES.values())
    total = spent["imports"] + spent["models"] + spent["all"]
    spent["prompts and the rest"] = spent.pop("all") - inside
    return {phase: seconds / total for phase, seconds in spent.items()}


def run(args: argparse.Namespace) -> int:
    chosen = {"clip": ["builtin"]} | settings(args)
    subject = Subject(1, chosen, [args.prompt])
    rows = args.batch or subject.job.config.tracks or 1
    if rows > 1:
        subject = Subject(rows, chosen, [args.prompt])
    config = subject.job.config
    views = f"{config.views} views '{config.cutouts}'"
    print(f"{config.generator} {config.width}x{config.height}, {views}, {config.optimizer}, rows in a step: {rows}")
    shares = step_shares(EngineRun(subject, rows, EAGER), args.profiled_steps)
    print(f"{'share of a step':24}{'forward':>9}{'backward':>9}{'both':>9}")
    for part, share in sorted(shares.items(), key=lambda item: -sum(item[1])):
        name = REST if part == STEP else part
        print(f"{name:24}{share.forward:>9.1%}{share.backward:>9.1%}{sum(share):>9.1%}")
    if args.steps and not subject.random:
        print(f"\n{f'share of {args.steps} steps':24}")
        asked = {"seed": 0} | chosen | {"prompts": [args.prompt], "steps": args.steps}
        for phase, part in run_shares(make_config(asked)).items():
            print(f"{phase:24}{part:>9.1%}")
    return 0


if __name__ == "__main__":
    from .cli import main

    sys.exit(main("profile", run))
