"""`python -m bench.ops_cosine`: the prompt loss with its gradient, every backend against plain torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.op_cases import OpCase, main
from fastclipgen.ops import cosine_loss as public
from fastclipgen.ops import cosine_loss_kernels, library

FEATURES = 512
SIZES = ((1, 32, 1), (1, 64, 1), (1, 64, 4), (8, 64, 4))  # pictures, views, prompts
Inputs = dict[str, Any]


def cases(device: torch.device) -> list[OpCase]:
    """Forward and backward pass, as in a step; without a gradient, as when starts are scored, for one size."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    found = [case(size, kind, dtype, device) for size in SIZES for kind in ("cosine", "spherical")]
    found += [case((1, 64, 1), kind, dtype, device) for kind in ("l1", "l2")]
    return [*found, case((64, 1, 1), "spherical", dtype, device, gradient=False)]


def case(
    size: tuple[int, int, int], kind: str, dtype: torch.dtype, device: torch.device, gradient: bool = True
) -> OpCase:
    batch, views, prompts = size

    def inputs() -> Inputs:
        draw = torch.Generator().manual_seed(0)
        embeddings = torch.randn(batch, views, FEATURES, generator=draw).to(device, dtype)
        pair = (batch, prompts)
        return {
            "embeddings": embeddings.requires_grad_(gradient),
            "targets": torch.randn(*pair, FEATURES, generator=draw).to(device),
            "weights": torch.ones(pair, device=device),
            "stops": torch.full(pair, -torch.inf, device=device),
            "kind": kind,
            "prompt_mean": True,
            "scale": 0.5,
        }

    def plain(given: Inputs) -> Tensor:
        return public.reference(**given)[0]

    def on(backend: str) -> Callable[[Inputs], Tensor]:
        if backend == library.choose("cosine_loss", device):  # as it is called in a step, checks and all
            return lambda given: public.cosine_loss(**given)[0]
        return lambda given: cosine_loss_kernels.cosine_loss(**given, active=None, total=None, backend=backend)[0]

    able = [name for name, reason in library.available("cosine_loss", device).items() if reason is None]
    losses = {name: plain if name == "reference" else on(name) for name in able}
    values, pairs = batch * views * FEATURES, batch * views * prompts
    moved = values * dtype.itemsize + 4 * (batch * prompts * FEATURES + pairs)
    name = f"{batch}x{views} views, {prompts} prompts, {kind}{'' if gradient else ', no gradient'}"
    return OpCase(
        name=name,
        inputs=inputs,
        runs={name: _with_gradient(loss) if gradient else loss for name, loss in losses.items()},
        # the gradient is written in float32, read again, and written in the embeddings' own type
        bytes=moved + (values * (8 + dtype.itemsize) if gradient else 0),
        flops=2 * values + 2 * pairs * FEATURES * (2 if gradient else 1),
    )


def _with_gradient(loss: Callable[[Inputs], Tensor]) -> Callable[[Inputs], Tensor]:
    def run(given: Inputs) -> Tensor:
        value = loss(given)
        return torch.autograd.grad(value, given["embeddings"], torch.ones_like(value))[0]

    return run


if __name__ == "__main__":
    sys.exit(main(cases, "ops_cosine"))
