"""GroupNorm and SiLU in the ops bench: maps of a VQGAN's decoder, with the gradient of the map alone."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from fastclipgen.ops.norm_silu import norm_silu, reference

from .op_case import REFERENCE, OpCase, Ready, Work

OP = "norm_silu"
_GROUPS, _EPS = 32, 1e-6
# Channels and side of the finest and a middle level of f16_16384 at 512 pixels.
_SIZES = ((128, 512), (256, 128))
# Statistics, scale, SiLU and its slope: about so many operations a value.
_FORWARD, _BACKWARD = 12, 24


def cases(batch: int, device: torch.device, small: bool) -> list[OpCase]:
    """A CPU gets maps of a quarter of the side."""
    sizes = ((32, 16),) if small else _SIZES
    shrink = 1 if small or device.type == "cuda" else 4
    return [_case(channels, side // shrink, batch, device) for channels, side in sizes]


def _case(channels: int, side: int, batch: int, device: torch.device) -> OpCase:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    values = batch * channels * side**2
    return OpCase(
        op=OP,
        name=f"{channels} maps of {side}x{side}",
        batch=batch,
        make=partial(_ready, channels, side, batch, dtype, device),
        forward=Work(2 * values * dtype.itemsize, _FORWARD * values),
        backward=Work(3 * values * dtype.itemsize, _BACKWARD * values),
    )


def _ready(channels: int, side: int, batch: int, dtype: torch.dtype, device: torch.device) -> Ready:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(batch, channels, side, side, generator=draw).to(device, dtype, memory_format=torch.channels_last)
    weight, bias = (1 + 0.1 * torch.randn(2, channels, generator=draw)).to(device, dtype)

    def run(backend: str, x: Tensor) -> Tensor:
        if backend == REFERENCE:
            return reference(x, weight, bias, _GROUPS, _EPS)
        return norm_silu(x, weight, bias, _GROUPS, _EPS, backend=backend)

    return Ready(run, (x.requires_grad_(),))
