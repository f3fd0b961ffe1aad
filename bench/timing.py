"""Timing blocks of steps of several competitors in turn, so that whatever else the machine does hits them alike.

Knows nothing of what a step is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from .schema import Spread


class Run(Protocol):
    """A competitor in the middle of its work."""

    @property
    def batch(self) -> int:
        """Pictures that one step moves."""
        ...

    def advance(self, steps: int) -> None: ...


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was given; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(run: Run, steps: int, device: torch.device) -> float:
    """Wall-clock seconds of so many steps."""
    synchronise(device)
    begin = time.perf_counter()
    run.advance(steps)
    synchronise(device)
    return time.perf_counter() - begin


def time_blocks(
    runs: Mapping[str, Run], device: torch.device, repeats: int, block_seconds: float, warm_up: int = 3
) -> dict[str, list[float]]:
    """Seconds per picture and step of every run, one number per repeat.

    After `warm_up` steps each run gets blocks of about `block_seconds`; in every repeat each run has one block, and
    each repeat begins with another run.
    """
    sizes = {}
    for name, run in runs.items():
        seconds(run, warm_up, device)
        sizes[name] = max(1, math.ceil(block_seconds / max(seconds(run, 1, device), 1e-6)))
    order = list(runs)
    found: dict[str, list[float]] = {name: [] for name in order}
    for repeat in range(repeats):
        first = repeat % len(order)
        for name in order[first:] + order[:first]:
            steps = sizes[name]
            found[name].append(seconds(runs[name], steps, device) / (steps * runs[name].batch))
    return found


def spread(values: Sequence[float]) -> Spread:
    """Median and 5th and 95th percentile."""
    low, middle, high = (float(v) for v in np.percentile(np.asarray(values, dtype=np.float64), [5, 50, 95]))
    return Spread(median=middle, p5=low, p95=high, repeats=len(values))


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """How many times longer `slow` takes, compared repeat by repeat, that is under the same load."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])


def scaled(one: Spread, factor: float) -> Spread:
    """The same quantity in another unit: everything times `factor`, above 0."""
    return Spread(median=one.median * factor, p5=one.p5 * factor, p95=one.p95 * factor, repeats=one.repeats)
