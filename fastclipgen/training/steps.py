"""What is settled by the number of a step alone: the learning rate, and torch's random numbers within it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from fastclipgen.training import processes
from fastclipgen.training.task import TrainOptions


def learning_rate(step: int, options: TrainOptions) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    done = (step - options.warmup) / max(1, options.steps - options.warmup)
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@contextmanager
def seeded(seed: int, step: int) -> Iterator[None]:
    """Within it torch's generators draw (for dropout) what (seed, step) says, afterwards what they would have drawn.

    Each of several processes draws its own numbers. What must not depend on how many there are is drawn from the place
    in the whole batch instead (`processes.places`), with ops/philox.py.
    """
    key = np.random.SeedSequence([seed, step, processes.rank()]).generate_state(1, np.uint64)
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(key[0] >> np.uint64(1)))
        yield
