"""Noise of the pixels of a tile in Triton: the draws of csrc/philox.h, the normals of csrc/normals.h.

Draw i belongs to flat index i of [3, S, S], and a call of Philox makes four in a row.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# (the language of kernels is not Python: constants are tl.constexpr, and launches add arguments)
from __future__ import annotations

import triton
import triton.language as tl

_STREAM = tl.constexpr(4)  # Stream.NOISE of fastclipgen/ops/philox.py
NORMAL = tl.constexpr(1)  # in the order of csrc/cutout_plan.h


@triton.jit
def _uniform(word):
    # 24 bits, so the conversion and the product are exact
    return (word >> 8).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08


@triton.jit
def _log(v):
    """log(v) for v in (0, 1]: v = 2^e * m with m in [sqrt(1/2), sqrt(2)), S. Moshier's polynomial (cephes logf)."""
    shifted = v.to(tl.int32, bitcast=True) - 0x3F3504F3  # of sqrt(1/2)
    exponent = (shifted >> 23).to(tl.float32)
    x = ((shifted & 0x007FFFFF) + 0x3F3504F3).to(tl.float32, bitcast=True) - 1.0
    z = x * x
    p = 7.0376836292e-2 * x - 1.1514610310e-1
    p = p * x + 1.1676998740e-1
    p = p * x - 1.2420140846e-1
    p = p * x + 1.4249322787e-1
    p = p * x - 1.6668057665e-1
    p = p * x + 2.0000714765e-1
    p = p * x - 2.4999993993e-1
    p = p * x + 3.3333331174e-1
    tail = p * x * z + exponent * -2.12194440e-4 - 0.5 * z
    return x + tail + exponent * 0.693359375


@triton.jit
def _circle(turns):
    """The cosine and the sine of `turns` full circles, turns in [0, 1)."""
    quarter = tl.floor(turns * 4.0 + 0.5)
    angle = (turns - quarter * 0.25) * 6.28318530718  # the difference is exact; |angle| <= pi / 4
    z = angle * angle
    s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * angle + angle
    c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0
    quadrant = quarter.to(tl.int32) & 3
    odd = (quadrant & 1) == 1
    cosine, sine = tl.where(odd, s, c), tl.where(odd, c, s)
    return tl.where((quadrant == 1) | (quadrant == 2), -cosine, cosine), tl.where(quadrant >= 2, -sine, sine)


@triton.jit
def _normals(first, second):
    """Two standard normals from two words, by Box and Muller (1958)."""
    radius = tl.sqrt(-2.0 * _log(_uniform(first) + 5.9604644775390625e-08))
    cosine, sine = _circle(_uniform(second))
    return radius * cosine, radius * sine


@triton.jit
def _words(seed, step, view, flat):
    element = flat // 4
    zero = tl.zeros_like(element)
    return tl.philox(
        seed,
        element.to(tl.uint32),
        (zero + view).to(tl.uint32),
        (zero + step).to(tl.uint32),
        (zero + _STREAM).to(tl.uint32),
    )


@triton.jit
def noise(
    seed,
    step,
    view,
    channel,
    x,
    y,
    SIZE: tl.constexpr,
    KIND: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
    ALIGNED: tl.constexpr,
):
    """[ROWS * COLUMNS] draws for the pixels of the tile that begins at x, y of a view, row by row.

    ALIGNED: SIZE and x are multiples of 4, so that each call's four draws belong to this tile; otherwise every pixel
    makes its own call. Pixels outside the view get some number.
    """
    if ALIGNED:
        group = tl.arange(0, ROWS * COLUMNS // 4)
        row, column = y + group // (COLUMNS // 4), x + group % (COLUMNS // 4) * 4
        w0, w1, w2, w3 = _words(seed, step, view, (channel * SIZE + row) * SIZE + column)
        if KIND == NORMAL:
            a0, a1 = _normals(w0, w1)
            a2, a3 = _normals(w2, w3)
        else:
            a0, a1, a2, a3 = _uniform(w0), _uniform(w1), _uniform(w2), _uniform(w3)
        return tl.interleave(tl.interleave(a0, a2), tl.interleave(a1, a3))
    else:
        lane = tl.arange(0, ROWS * COLUMNS)
        flat = (channel * SIZE + y + lane // COLUMNS) * SIZE + x + lane % COLUMNS
        flat = tl.maximum(flat, 0)
        w0, w1, w2, w3 = _words(seed, step, view, flat)
        first, second = tl.where(flat % 4 < 2, w0, w2), tl.where(flat % 4 < 2, w1, w3)
        if KIND == NORMAL:
            a0, a1 = _normals(first, second)
        else:
            a0, a1 = _uniform(first), _uniform(second)
        return tl.where(flat % 2 == 0, a0, a1)
