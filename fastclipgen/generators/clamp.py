"""Keeping values and latents in their range: a clamp that traps nothing outside it. Knows nothing of pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _ClampWithGrad(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, low: float, high: float) -> Tensor:
        return x.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, float], output: Tensor) -> None:
        x, low, high = inputs
        ctx.save_for_backward(x)
        ctx.range = (low, high)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        outside = x - x.clamp(*ctx.range)
        return torch.where(grad * outside >= 0, grad, torch.zeros_like(grad)), None, None


def clamp_with_grad(x: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Clamps to low..high; the gradient is blocked only where a descent step would push `x` further out.

    With a plain clamp a value that left the range has no gradient and never comes back. (Rule of Katherine Crowson's
    VQGAN+CLIP notebook.) Any shape, any floating dtype.
    """
    result = _ClampWithGrad.apply(x, low, high)
    assert isinstance(result, Tensor)
    return result


def shortened(latents: Tensor, longest: float) -> Tensor:
    """Latents [B, D], those longer than `longest` shortened to it."""
    return latents * (longest / latents.norm(dim=1, keepdim=True).clamp_min(1e-6)).clamp_max(1.0)
