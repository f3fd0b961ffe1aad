"""Philox in the ops bench: the draws of the loops, beside torch's own generator."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from fastclipgen.ops import philox, philox_kernels
from fastclipgen.ops.philox import Stream

from .op_case import REFERENCE, OpCase, Ready, Work

OP = "philox"
# Ten rounds of two products (low and high words: 4), four exclusive ors, and two key additions, for four words; then a
# shift, a conversion and a product for each uniform.
_FLOPS = 10 * (4 + 4 + 2) / 4 + 3


def cases(batch: int, device: torch.device, small: bool) -> list[OpCase]:
    """The geometry of R-A's 64 views (19 numbers each) and the noise of 32 views of 224 pixels of R-B and DAS."""
    shapes = {"R-A geometry": (64, 19), "R-B, DAS noise": (4, 3 * 32**2) if small else (32, 3 * 224**2)}
    return [
        OpCase(
            op=OP,
            name=f"{name} {views}x{n}",
            batch=batch,
            make=partial(_ready, batch, views, n, device),
            forward=Work(8 * batch + 4 * batch * views * n, round(batch * views * n * _FLOPS)),
        )
        for name, (views, n) in shapes.items()
    ]


def _ready(batch: int, views: int, n: int, device: torch.device) -> Ready:
    seeds = torch.arange(batch, dtype=torch.int64, device=device)
    step = torch.zeros((), dtype=torch.int64, device=device)

    def run(backend: str) -> Tensor:
        if backend == REFERENCE:
            return philox.to_uniform(philox.reference_words(seeds, step, Stream.NOISE, n, views))
        return philox_kernels.draw(seeds, step, Stream.NOISE, n, views, torch.float32, backend)

    return Ready(run, yardstick=("torch.rand", lambda: torch.rand(batch, views, n, device=device)))
