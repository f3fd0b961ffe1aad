"""The prompt loss in the ops bench, with its gradient as in a step."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from fastclipgen.ops import cosine_loss as public
from fastclipgen.ops import cosine_loss_kernels, library

from .op_case import REFERENCE, OpCase, Ready, Work

OP = "cosine_loss"
_FEATURES = 512
_SIZES = ((32, 1), (64, 1), (64, 4))  # views and prompts
_KINDS = ("cosine", "spherical")


def cases(batch: int, device: torch.device, small: bool) -> list[OpCase]:
    """The views and prompts of R-A, R-B and DAS under both losses of those loops, and one size under the others."""
    features = 32 if small else _FEATURES
    found = [_case(views, prompts, kind, features, batch, device) for views, prompts in _SIZES for kind in _KINDS]
    return found + [_case(64, 1, kind, features, batch, device) for kind in ("l1", "l2")]


def _case(views: int, prompts: int, kind: str, features: int, batch: int, device: torch.device) -> OpCase:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    values, pairs = batch * views * features, batch * views * prompts
    forward = Work(
        values * dtype.itemsize + 4 * (batch * prompts * features + pairs), 2 * values + 2 * pairs * features
    )
    return OpCase(
        op=OP,
        name=f"{kind} {views}x{features}, {prompts} prompts",
        batch=batch,
        make=partial(_ready, views, prompts, kind, features, batch, dtype, device),
        forward=forward,
        # the gradient is written in float32, read again, and written in the embeddings' own type
        backward=forward + Work(values * (8 + dtype.itemsize), 2 * pairs * features),
    )


def _ready(
    views: int, prompts: int, kind: str, features: int, batch: int, dtype: torch.dtype, device: torch.device
) -> Ready:
    draw = torch.Generator().manual_seed(0)
    embeddings = torch.randn(batch, views, features, generator=draw).to(device, dtype).requires_grad_()
    targets = torch.randn(batch, prompts, features, generator=draw).to(device)
    weights = torch.ones(batch, prompts, device=device)
    stops = torch.full((batch, prompts), -torch.inf, device=device)

    def run(backend: str, embeddings: Tensor) -> Tensor:
        given = (embeddings, targets, weights, stops, kind)
        if backend == REFERENCE:
            return public.reference(*given, prompt_mean=True, scale=0.5)[0]
        if backend == library.choose(OP, device):  # as it is called in a step, checks and all
            return public.cosine_loss(*given, prompt_mean=True, scale=0.5)[0]
        return cosine_loss_kernels.cosine_loss(*given, None, True, 0.5, None, backend)[0]

    return Ready(run, (embeddings,))
