"""The prompt loss and its gradient in Triton: the twin of csrc/cuda/cosine_loss.cu, one program a picture.

Under TRITON_INTERPRET=1 it runs on CPU tensors, which is how it is tested without a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_ELEMENTS = 4096  # of embeddings that a program holds at once
_LARGEST_BLOCK_E = 1024
_COSINE = tl.constexpr(0)
_SPHERICAL = tl.constexpr(1)
_L1 = tl.constexpr(2)
_NORM_EPS = tl.constexpr(1e-12)  # of torch.nn.functional.normalize
_LARGEST_Q = tl.constexpr(1.0 - 1e-6)
_HALF_PI = tl.constexpr(1.5707963267948966)


@triton.jit
def _sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, 0.0))


@triton.jit
def _length(square):
    """The length, held at _NORM_EPS, and whether it was free of that; NaN goes on."""
    length = tl.sqrt_rn(square)
    free = (length < _NORM_EPS) == 0
    return tl.where(free, length, _NORM_EPS), free


@triton.jit
def _asin_over_root(z):
    """asin(sqrt(z)) / sqrt(z) for z in [0, 1/4], as in csrc/cosine_loss.h."""
    r = 0.03380574658513069 * z + 0.017077859491109848
    r = r * z + 0.03111615590751171
    r = r * z + 0.04459803178906441
    r = r * z + 0.07500098645687103
    r = r * z + 0.1666666567325592
    return r * z + 1.0


@triton.jit
def _spherical(cosine):
    """2 * asin(sqrt(q))**2 with q = (1 - cosine) / 2, and its slope, 0 where q is cut off at either end."""
    raw = 0.5 - 0.5 * cosine
    q = tl.where(raw < 0.0, 0.0, tl.where(raw > _LARGEST_Q, _LARGEST_Q, raw))
    near = q <= 0.25
    x = tl.sqrt_rn(tl.where(near, 1.0, q))
    z = 0.5 - 0.5 * x
    far_ratio = (_HALF_PI - 2.0 * tl.sqrt_rn(z) * _asin_over_root(z)) / x
    ratio = tl.where(near, _asin_over_root(q), far_ratio)
    cut = (raw < 0.0) | (raw > _LARGEST_Q)
    return 2.0 * q * ratio * ratio, tl.where(cut, 0.0, -ratio / tl.sqrt_rn(1.0 - q))


@triton.jit
def _cosine_loss_kernel(
    embeddings, targets, weights, stops, active, total, scales, loss, similarities, gradient,
    views, prompts, features, batch_stride, view_stride, scale_stride, scale,
    KIND: tl.constexpr, PROMPT_MEAN: tl.constexpr, ACTIVE: tl.constexpr, TOTAL: tl.constexpr, SCALES: tl.constexpr,
    GRADIENT: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_E: tl.constexpr,
):  # fmt: skip
    """Pointers to embeddings [B, N, E] with strides, targets [B, P, E], weights, stops, active [B, P], total [B], ...

    Switches that are off make their pointer unread. A block of views [BLOCK_N] is held against one prompt after the
    other; slopes are gathered in [BLOCK_N, BLOCK_P], BLOCK_P being all prompts.
    """
    b = tl.program_id(0).to(tl.int64)
    p_at = tl.arange(0, BLOCK_P)
    known = p_at < prompts
    w = tl.load(weights + b * prompts + p_at, mask=known, other=0.0)  # [BLOCK_P]
    if ACTIVE:
        w = tl.where(tl.load(active + b * prompts + p_at, mask=known, other=0) != 0, w, 0.0)
    s = tl.load(stops + b * prompts + p_at, mask=known, other=0.0)
    # [BLOCK_P] 1 / length of the targets
    t_inverse = tl.zeros([BLOCK_P], tl.float32)
    for p in range(prompts):
        square = tl.zeros([BLOCK_E], tl.float32)
        for start in range(0, features, BLOCK_E):
            e_at = start + tl.arange(0, BLOCK_E)
            t = tl.load(targets + (b * prompts + p) * features + e_at, mask=e_at < features, other=0.0)
            square += t * t
        length, _ = _length(tl.sum(square, 0))
        t_inverse = tl.where(p_at == p, 1.0 / length, t_inverse)

    share = tl.cast(scale, tl.float32)
    if SCALES:
        share *= tl.load(scales + b * scale_stride)
    parts = tl.cast(views, tl.float32)
    if PROMPT_MEAN:
        parts *= tl.maximum(tl.sum((w != 0.0).to(tl.int32), 0), 1).to(tl.float32)
    share = share / parts

    sums = tl.zeros([BLOCK_N], tl.float32)
    for first in range(0, views, BLOCK_N):
        n_at = first + tl.arange(0, BLOCK_N)
        row = b * views + n_at.to(tl.int64)  # [BLOCK_N]
        seen = n_at < views
        rows = embeddings + b * batch_stride + n_at.to(tl.int64)[:, None] * view_stride  # [BLOCK_N, 1]
        square = tl.zeros([BLOCK_N, BLOCK_E], tl.float32)
        for start in range(0, features, BLOCK_E):
            e_at = start + tl.arange(0, BLOCK_E)[None, :]
            e = tl.load(rows + e_at, mask=seen[:, None] & (e_at < features), other=0.0).to(tl.float32)
            square += e * e
        length, free = _length(tl.sum(square, 1))
        inverse = 1.0 / length  # [BLOCK_N]

        toward = tl.zeros([BLOCK_N, BLOCK_P], tl.float32)
        back = tl.zeros([BLOCK_N], tl.float32)
        for p in range(prompts):
            one = p_at == p
            weight, stop = tl.sum(tl.where(one, w, 0.0), 0), tl.sum(tl.where(one, s, 0.0), 0)
            p_inverse = tl.sum(tl.where(one, t_inverse, 0.0), 0)
            products = tl.zeros([BLOCK_N, BLOCK_E], tl.float32)
            distances = tl.zeros([BLOCK_N, BLOCK_E], tl.float32)
            alongs = tl.zeros([BLOCK_N, BLOCK_E], tl.float32)
            for start in range(0, features, BLOCK_E):
                e_at = start + tl.arange(0, BLOCK_E)[None, :]
                e = tl.load(rows + e_at, mask=seen[:, None] & (e_at < features), other=0.0).to(tl.float32)
                t = tl.load(targets + (b * prompts + p) * features + e_at, mask=e_at < features, other=0.0)
                products += e * t
                if KIND >= _L1:
                    unit = e * inverse[:, None]
                    difference = unit - t * p_inverse
                    if KIND == _L1:
                        distances += tl.abs(difference)
                        alongs += unit * _sign(difference)
                    else:
                        distances += difference * difference
            cosine = tl.sum(products, 1) * inverse * p_inverse  # [BLOCK_N]
            tl.store(similarities + row * prompts + p, cosine, mask=seen)
            part_along = tl.where(free, cosine, 0.0)  # part_along() in csrc/cosine_loss.h
            if KIND == _COSINE:
                distance = 1.0 - cosine
                slope = tl.full([BLOCK_N], -1.0, tl.float32)
            elif KIND == _SPHERICAL:
                distance, slope = _spherical(cosine)
            elif KIND == _L1:
                distance = tl.sum(distances, 1)
                slope = tl.full([BLOCK_N], 1.0, tl.float32)
                part_along = tl.where(free, tl.sum(alongs, 1), 0.0)
            else:
                distance = tl.sqrt_rn(tl.sum(distances, 1))
                slope = tl.where(distance > 0.0, -1.0 / tl.where(distance > 0.0, distance, 1.0), 0.0)
                part_along = tl.where(free, cosine, 1.0)
            sums += tl.where(seen, weight * distance, 0.0)
            slope = tl.where(distance * _sign(weight) > stop, share * weight * slope, 0.0)
            pull = slope * inverse
            if KIND != _L1:
                pull *= p_inverse
            toward = tl.where(one[None, :], pull[:, None], toward)
            back += slope * part_along

        if GRADIENT:
            # inverse * (sum of slopes * t - back * u), for L1 with sign(u - t) in place of t
            back *= -inverse * inverse
            for start in range(0, features, BLOCK_E):
                e_at = start + tl.arange(0, BLOCK_E)[None, :]
                live = seen[:, None] & (e_at < features)
                e = tl.load(rows + e_at, mask=live, other=0.0).to(tl.float32)
                out = back[:, None] * e
                for p in range(prompts):
                    t = tl.load(targets + (b * prompts + p) * features + e_at, mask=e_at < features, other=0.0)
                    pull = tl.sum(tl.where((p_at == p)[None, :], toward, 0.0), 1)  # [BLOCK_N]
                    if KIND == _L1:
                        p_inverse = tl.sum(tl.where(p_at == p, t_inverse, 0.0), 0)
                        out += pull[:, None] * _sign(e * inverse[:, None] - t * p_inverse)  # pyright: ignore[reportArgumentType]
                    else:
                        out += pull[:, None] * t  # pyright: ignore[reportArgumentType]
                tl.store(gradient + row[:, None] * features + e_at, out, mask=live)

    value = share * tl.sum(sums, 0)
    if TOTAL:
        value += tl.load(total + b)
    tl.store(loss + b, value)


def fill(
    embeddings: Tensor, targets: Tensor, weights: Tensor, stops: Tensor,
    active: Tensor | None, total: Tensor | None, scales: Tensor | None, scale: float, kind: int, prompt_mean: bool,
    loss: Tensor, similarities: Tensor, gradient: Tensor | None,
) -> None:  # fmt: skip
    """Writes loss [B], similarities [B, N, P] and, where it is given, gradient [B, N, E].

    embeddings: float [B, N, E], last stride 1. kind: as in csrc/cosine_loss.h. active: bool. Everything else float32;
    all but embeddings contiguous and on their device. What the values mean: fastclipgen/ops/cosine_loss.py.
    """
    batch, views, features = embeddings.shape
    prompts = targets.shape[1]
    if batch == 0:
        return
    block_e = min(triton.next_power_of_2(max(features, 1)), _LARGEST_BLOCK_E)
    block_n = min(triton.next_power_of_2(views), max(_ELEMENTS // block_e, 1))
    unread = loss  # some pointer
    _cosine_loss_kernel[(batch,)](  # pyright: ignore[reportIndexIssue]
        embeddings, targets, weights, stops,
        unread if active is None else active.view(torch.uint8),
        unread if total is None else total,
        unread if scales is None else scales,
        loss, similarities, unread if gradient is None else gradient,
        views, prompts, features, embeddings.stride(0), embeddings.stride(1),
        0 if scales is None or scales.ndim == 0 else 1, scale,
        KIND=kind, PROMPT_MEAN=prompt_mean, ACTIVE=active is not None, TOTAL=total is not None,
        SCALES=scales is not None, GRADIENT=gradient is not None,
        BLOCK_N=block_n, BLOCK_P=triton.next_power_of_2(max(prompts, 1)), BLOCK_E=block_e,
        num_warps=8,  # pyright: ignore[reportCallIssue]
    )  # fmt: skip
