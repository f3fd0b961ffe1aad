"""Uniform draws for cutouts: one plane [B, N] a quantity, and the ranges that they are mapped to."""

from __future__ import annotations

from torch import Tensor

from fastclipgen.ops import philox
from fastclipgen.ops.philox import Stream

Planes = dict[str, Tensor]


def planes(
    names: tuple[str, ...], extra: int, seeds: Tensor, step: int | Tensor, stream: Stream, views: int
) -> tuple[Planes, Tensor]:
    """Uniform draws as contiguous [B, N] planes by name, and `extra` unnamed ones [extra, B, N]."""
    # Contiguous planes, because a strided tensor may take another code path with another last bit in sin, log, ...
    draws = philox.uniforms(seeds, step, stream, len(names) + extra, views).movedim(-1, 0).contiguous()
    return dict(zip(names, draws[: len(names)].unbind(0), strict=True)), draws[len(names) :]


def between(u: Tensor, bounds: tuple[float, float]) -> Tensor:
    return bounds[0] + u * (bounds[1] - bounds[0])


def spread(u: Tensor, amount: float) -> Tensor:
    """u in [0, 1) to [-amount, amount)."""
    return (2.0 * u - 1.0) * amount
