"""GroupNorm and SiLU in one, forward and backward, on maps whose channels lie side by side (channels_last).

Three kernels each way, because a group's statistics span the whole map: every program sums up some rows of the map,
channel by channel; one program a group puts those sums together, always in the same order; a last pass writes. So a
map is read twice and written once, and the backward pass keeps the map that came in and two numbers a group.
Under TRITON_INTERPRET=1 it runs on CPU tensors, which is how it is tested without a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 4096  # values of a map that a program holds at once
_PROGRAMS = 512  # that share the sums of a step, where the map is large enough: four for each multiprocessor of an H100
_PARTS = 1024  # partial sums that a program puts together at once
_WARPS = 8


@triton.jit
def _sum_kernel(
    x, grad, weight, bias, mean, rstd, firsts, seconds, pixels, span, groups,
    CHANNELS: tl.constexpr, GROUP: tl.constexpr, BACKWARD: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sums of `span` pixels of x [B, pixels, CHANNELS] into firsts and seconds [B, chunks, CHANNELS].

    Forward: the mean, and the squares of what lies beside it. BACKWARD: of the slopes at the normalised values, and of
    those times the normalised values.
    """
    chunk, b = tl.program_id(0), tl.program_id(1).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    known = channel < CHANNELS
    first, last = chunk * span, tl.minimum(chunk * span + span, pixels)
    maps = b * pixels * CHANNELS
    one = tl.zeros([ROWS, BLOCK], tl.float32)
    two = tl.zeros([ROWS, BLOCK], tl.float32)
    if BACKWARD:
        at = b * groups + channel // GROUP
        middle = tl.load(mean + at, mask=known, other=0.0)
        scale = tl.load(rstd + at, mask=known, other=0.0)
        w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
        shift = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    else:
        # sums of what lies beside some value of the channel lose no digits to a mean far from 0
        middle = tl.load(x + maps + first.to(tl.int64) * CHANNELS + channel, mask=known, other=0.0).to(tl.float32)
    for start in range(first, last, ROWS):
        row = start + tl.arange(0, ROWS)
        live = (row < last)[:, None] & known[None, :]
        place = maps + row[:, None].to(tl.int64) * CHANNELS + channel[None, :]
        value = tl.load(x + place, mask=live, other=0.0).to(tl.float32) - middle[None, :]
        if BACKWARD:
            value = value * scale[None, :]
            slope = tl.load(grad + place, mask=live, other=0.0).to(tl.float32)
            slope = _through_silu(slope, value * w[None, :] + shift[None, :]) * w[None, :]
            one += slope
            two += slope * value
        else:
            value = tl.where(live, value, 0.0)
            one += value
            two += value * value
    total, other = tl.sum(one, 0), tl.sum(two, 0)
    if not BACKWARD:
        beside = total / (last - first).to(tl.float32)
        other = tl.maximum(other - total * beside, 0.0)
        total = middle + beside
    out = (b * tl.num_programs(0) + chunk) * CHANNELS + channel
    tl.store(firsts + out, total, mask=known)
    tl.store(seconds + out, other, mask=known)


@triton.jit
def _join_kernel(
    firsts, seconds, one, two, pixels, span, chunks, groups, count, eps,
    CHANNELS: tl.constexpr, GROUP: tl.constexpr, BACKWARD: tl.constexpr, PARTS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The sums of one group of channels, `count` values in all, put together into one and two [B, groups].

    Forward: mean and 1 / deviation, after Chan, Golub and LeVeque (1983). BACKWARD: the means of both sums.
    """
    group, b = tl.program_id(0), tl.program_id(1).to(tl.int64)
    inside = tl.arange(0, BLOCK)
    total = tl.zeros([PARTS, BLOCK], tl.float32)
    other = tl.zeros([PARTS, BLOCK], tl.float32)
    for start in range(0, chunks, PARTS):
        chunk = start + tl.arange(0, PARTS)
        live = (chunk < chunks)[:, None] & (inside < GROUP)[None, :]
        at = (b * chunks + chunk[:, None]) * CHANNELS + group * GROUP + inside[None, :]
        value = tl.load(firsts + at, mask=live, other=0.0)
        if BACKWARD:
            other += tl.load(seconds + at, mask=live, other=0.0)
        else:
            value = value * tl.minimum(span, pixels - chunk * span).to(tl.float32)[:, None]
        total += tl.where(live, value, 0.0)
    mean = tl.sum(tl.sum(total, 1), 0) / count
    if not BACKWARD:
        for start in range(0, chunks, PARTS):
            chunk = start + tl.arange(0, PARTS)
            live = (chunk < chunks)[:, None] & (inside < GROUP)[None, :]
            at = (b * chunks + chunk[:, None]) * CHANNELS + group * GROUP + inside[None, :]
            away = tl.load(firsts + at, mask=live, other=0.0) - mean
            share = tl.minimum(span, pixels - chunk * span).to(tl.float32)[:, None]
            square = tl.load(seconds + at, mask=live, other=0.0) + away * away * share
            other += tl.where(live, square, 0.0)
    second = tl.sum(tl.sum(other, 1), 0) / count
    tl.store(one + b * groups + group, mean)
    tl.store(two + b * groups + group, second if BACKWARD else 1.0 / tl.sqrt_rn(second + eps))


@triton.jit
def _write_kernel(
    x, grad, weight, bias, mean, rstd, firsts, seconds, out, pixels, groups,
    CHANNELS: tl.constexpr, GROUP: tl.constexpr, BACKWARD: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out [B, pixels, CHANNELS]: SiLU of what is normalised; BACKWARD: the gradient of x, from the means of sums."""
    b = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, BLOCK)
    known = channel < CHANNELS
    live = (row < pixels)[:, None] & known[None, :]
    place = b * pixels * CHANNELS + row[:, None].to(tl.int64) * CHANNELS + channel[None, :]
    at = b * groups + channel // GROUP
    middle = tl.load(mean + at, mask=known, other=0.0)[None, :]
    scale = tl.load(rstd + at, mask=known, other=0.0)[None, :]
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    shift = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    value = (tl.load(x + place, mask=live, other=0.0).to(tl.float32) - middle) * scale
    lit = value * w + shift
    if BACKWARD:
        slope = _through_silu(tl.load(grad + place, mask=live, other=0.0).to(tl.float32), lit) * w
        level = tl.load(firsts + at, mask=known, other=0.0)[None, :]
        tilt = tl.load(seconds + at, mask=known, other=0.0)[None, :]
        result = (slope - level - value * tilt) * scale
    else:
        result = lit * tl.sigmoid(lit)
    tl.store(out + place, result.to(out.dtype.element_ty), mask=live)


@triton.jit
def _through_silu(slope, lit):
    """The slope before SiLU from the one behind it."""
    bright = tl.sigmoid(lit)
    return slope * bright * (1.0 + lit * (1.0 - bright))


def forward(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor, mean: Tensor, rstd: Tensor, eps: float) -> None:
    """Fills out, like x, and mean and rstd, float32 [B, groups].

    x [B, C, h, w] of float32, bfloat16 or float16, dense in channels_last; weight and bias [C], contiguous. Nothing
    is empty.
    """
    _sums(x, x, weight, bias, mean, rstd, mean, rstd, eps, backward=False)
    _write(x, x, weight, bias, mean, rstd, mean, rstd, out, backward=False)


def backward(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor, out: Tensor) -> None:
    """Fills out, the gradient of x, from that of what `forward` gave; grad is laid out as x."""
    level, tilt = torch.empty_like(mean), torch.empty_like(mean)
    _sums(x, grad, weight, bias, mean, rstd, level, tilt, 0.0, backward=True)
    _write(x, grad, weight, bias, mean, rstd, level, tilt, out, backward=True)


def _tile(channels: int) -> tuple[int, int]:
    """Rows and channels of a tile."""
    block = triton.next_power_of_2(channels)
    return max(1, _TILE // block), block


def _sums(
    x: Tensor, grad: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor, one: Tensor, two: Tensor,
    eps: float, backward: bool,
) -> None:  # fmt: skip
    batch, channels, height, width = x.shape
    groups, pixels = one.shape[1], height * width
    rows, block = _tile(channels)
    span = rows * triton.cdiv(triton.cdiv(pixels, max(1, _PROGRAMS // batch)), rows)
    chunks = triton.cdiv(pixels, span)
    partial = torch.empty((2, batch, chunks, channels), dtype=torch.float32, device=x.device)
    size = {"CHANNELS": channels, "GROUP": channels // groups, "BACKWARD": backward}
    _sum_kernel[(chunks, batch)](
        x, grad, weight, bias, mean, rstd, partial[0], partial[1], pixels, span, groups,
        **size, ROWS=rows, BLOCK=block, num_warps=_WARPS,  # pyright: ignore[reportCallIssue]
    )  # fmt: skip
    width_of_group = triton.next_power_of_2(channels // groups)
    parts = min(triton.next_power_of_2(chunks), max(1, _PARTS // width_of_group))
    _join_kernel[(groups, batch)](
        partial[0], partial[1], one, two, pixels, span, chunks, groups, float(pixels * channels // groups), eps,
        **size, PARTS=parts, BLOCK=width_of_group, num_warps=4,  # pyright: ignore[reportCallIssue]
    )  # fmt: skip


def _write(
    x: Tensor, grad: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor, level: Tensor, tilt: Tensor,
    out: Tensor, backward: bool,
) -> None:  # fmt: skip
    batch, channels, height, width = x.shape
    groups, pixels = mean.shape[1], height * width
    rows, block = _tile(channels)
    _write_kernel[(triton.cdiv(pixels, rows), batch)](
        x, grad, weight, bias, mean, rstd, level, tilt, out, pixels, groups,
        CHANNELS=channels, GROUP=channels // groups, BACKWARD=backward, ROWS=rows, BLOCK=block, num_warps=_WARPS,  # pyright: ignore[reportCallIssue]
    )  # fmt: skip
