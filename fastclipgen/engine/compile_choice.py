"""Whether compiling the step pays in a run: seconds that it costs against seconds that it saves.

The choice is a pure function of numbers, none of which is timed in the run itself: the same command makes the same
choice, and so the same picture. What `fastclipgen warmup` has measured for the same kind of step is preferred to a
guess. Knows nothing of how a step is compiled.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from fastclipgen.engine.memory import on_shapes
from fastclipgen.engine.recipe import Guide
from fastclipgen.errors import UserError
from fastclipgen.perceptors.base import FrozenPerceptor

# Guesses about a step that was never measured here; docs/performance-log.md has what they rest on.
FLOPS = {"cpu": 40e9, "cuda": 60e12}  # reached by a perceptor: of each thread in fp32, of a device in bf16
OVERHEAD = {"cpu": 5e-3, "cuda": 2e-3}  # seconds of a step beside its perceptors
GAIN = {"cpu": 0.1, "cuda": 0.3}
START = {"cpu": 60.0, "cuda": 60.0}  # seconds from nothing


class Costs(NamedTuple):
    """start: seconds before the first compiled step; step: seconds of an eager step; gain: share of that which a
    compiled one saves, negative where it is slower; measured: by a warm-up of the same step, or only guessed."""

    start: float
    step: float
    gain: float
    measured: bool


class Choice(NamedTuple):
    """Whether to compile, and why, in one line."""

    on: bool
    why: str

    @property
    def line(self) -> str:
        """For people."""
        return f"compiling the step: {'yes' if self.on else 'no'}, {self.why}"


def choose(asked: str, steps: int, costs: Costs, obstacle: str | None = None) -> Choice:
    """What `asked` ("auto", "on" or "off") comes to in a run of `steps` steps, those of all batches.

    `obstacle`: why compiling cannot work here. Raises UserError for "on" where there is one.
    """
    if asked == "off":
        return Choice(False, "asked for")
    if obstacle is not None:
        if asked == "on":
            raise UserError(f"expected to compile the step, but {obstacle}; leave --compile out, or use --compile off")
        return Choice(False, obstacle)
    if asked == "on":
        return Choice(True, "asked for")
    won = steps * costs.step * costs.gain
    known = "measured" if costs.measured else "guessed"
    if won > costs.start:
        return Choice(True, f"{steps} steps win back about {_seconds(won)} for {_seconds(costs.start)} ({known})")
    if costs.gain <= 0:
        return Choice(False, f"a compiled step is not faster here ({known})")
    why = f"{steps} steps would win back about {_seconds(won)}, starting costs {_seconds(costs.start)} ({known})"
    return Choice(False, why if costs.measured else f"{why}; 'fastclipgen warmup' makes starts quick")


def guess(guides: Sequence[Guide], parts: Sequence[tuple[int, float]], device: torch.device) -> Costs:
    """Costs from the arithmetic of the perceptors alone. parts: the rows of a step and their share of the steps."""
    kind = device.type if device.type in FLOPS else "cpu"
    rows = sum(rows * share for rows, share in parts)
    work = sum(2 * image_flops(guide.perceptor) * guide.views * rows for guide in guides)  # forward and backward
    speed = FLOPS[kind] * (torch.get_num_threads() if kind == "cpu" else 1)
    return Costs(START[kind] * len(parts), OVERHEAD[kind] + work / speed, GAIN[kind], False)


def image_flops(perceptor: FrozenPerceptor) -> int:
    """Floating-point operations of `encode_image` for one view, counted on shapes alone; 0 where that cannot be."""
    counter = FlopCounterMode(display=False)
    try:
        with counter, torch.no_grad():
            on_shapes(perceptor, 1)
    except Exception:  # any module of a user
        return 0
    return counter.get_total_flops()


def key_of(facts: Mapping[str, Any]) -> str:
    """A name for a kind of step: the same for the same facts."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def recall(folder: Path, key: str) -> Costs | None:
    """What `remember` has stored, None where there is nothing that can be read."""
    try:
        stored = json.loads(_file(folder, key).read_text(encoding="utf-8"))
        costs = Costs(float(stored["start"]), float(stored["step"]), float(stored["gain"]), True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return costs if all(math.isfinite(value) for value in costs[:3]) else None


def remember(folder: Path, key: str, costs: Costs) -> None:
    """Stores costs beside the compiled code, so that they go when it goes."""
    file = _file(folder, key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"start": costs.start, "step": costs.step, "gain": costs.gain}), encoding="utf-8")


def _file(folder: Path, key: str) -> Path:
    return folder / "fastclipgen" / f"{key}.json"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 10 or value == 0 else f"{value:.1f} s"
