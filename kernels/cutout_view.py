"""Where a view's pixel lies in a picture and what it reads there, in Triton: the twin of csrc/cutout_geometry.h.

Level 0 is the picture itself, of any float dtype and strides. Further mip levels lie in one float32 array of
[B, level_start(high + 1)], level after level, each [3, h, w].
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# (the language of kernels is not Python: constants are tl.constexpr, and launches add arguments)
from __future__ import annotations

import triton
import triton.language as tl

_MIN_W = tl.constexpr(0.05)  # as in ops/cutout_warp.py
_SHARP_START = tl.constexpr(0.32192809)  # log2 of 1.25, likewise
# In the order of csrc/cutout_plan.h. EACH: a view's own, the first of four numbers of which the rest is a colour.
BORDER, REFLECTION, COLOUR, EACH = tl.constexpr(1), tl.constexpr(2), tl.constexpr(3), tl.constexpr(4)


@triton.jit
def level_start(HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FIRST: tl.constexpr, LEVEL: tl.constexpr):
    """Where mip level LEVEL begins, in numbers, if level FIRST is the first that is stored."""
    start = 0
    for k in tl.static_range(FIRST, LEVEL):
        start += 3 * (((HEIGHT - 1) >> k) + 1) * (((WIDTH - 1) >> k) + 1)
    return start


@triton.jit
def source_point(matrix, x, y, PERSPECTIVE: tl.constexpr):
    """Continuous source coordinates of the pixels x, y of a view; matrix: address of its nine numbers."""
    px, py = x.to(tl.float32) + 0.5, y.to(tl.float32) + 0.5
    across = tl.load(matrix) * px + tl.load(matrix + 1) * py + tl.load(matrix + 2)
    down = tl.load(matrix + 3) * px + tl.load(matrix + 4) * py + tl.load(matrix + 5)
    if PERSPECTIVE:
        w = tl.load(matrix + 6) * px + tl.load(matrix + 7) * py + tl.load(matrix + 8)
        w = tl.maximum(w, _MIN_W)
        across, down = tl.div_rn(across, w), tl.div_rn(down, w)
    return across, down


@triton.jit
def view_level(matrix, SIZE: tl.constexpr):
    """The mip level that a view wants, from its scale at the centre."""
    m0, m1, m2 = tl.load(matrix), tl.load(matrix + 1), tl.load(matrix + 2)
    m3, m4, m5 = tl.load(matrix + 3), tl.load(matrix + 4), tl.load(matrix + 5)
    m6, m7 = tl.load(matrix + 6), tl.load(matrix + 7)
    half = 0.5 * SIZE
    x, y = (m0 + m1) * half + m2, (m3 + m4) * half + m5
    determinant = (m0 - x * m6) * (m4 - y * m7) - (m1 - x * m7) * (m3 - y * m6)
    level = 0.5 * tl.log2(tl.maximum(tl.abs(determinant), 1.0))
    eased = (level - _SHARP_START) / (1.0 - _SHARP_START)
    return tl.where(level >= 1.0, level, tl.maximum(eased, 0.0))


@triton.jit
def level_share(wanted, LEVEL: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr):
    """How much mip level LEVEL counts in a view."""
    if LOW == HIGH:
        return wanted * 0.0 + 1.0
    else:
        bounded = tl.minimum(tl.maximum(wanted, LOW * 1.0), HIGH * 1.0)
        return tl.maximum(1.0 - tl.abs(bounded - LEVEL), 0.0)


@triton.jit
def surroundings(around, fill_r, fill_g, fill_b, PADDING: tl.constexpr):
    """The padding of a view and its colour, from the address of its four numbers or from what all views have."""
    if PADDING == EACH:
        return tl.load(around).to(tl.int32), tl.load(around + 1), tl.load(around + 2), tl.load(around + 3)
    else:
        fill_r, fill_g, fill_b = tl.cast(fill_r, tl.float32), tl.cast(fill_g, tl.float32), tl.cast(fill_b, tl.float32)
        return tl.cast(PADDING, tl.int32), fill_r, fill_g, fill_b


@triton.jit
def taps(position, padding, LENGTH: tl.constexpr, PADDING: tl.constexpr):
    """The two neighbours along one axis, always inside the picture, and how much each counts; `padding`, the view's, is
    looked at where PADDING is EACH."""
    last = LENGTH - 1.0
    at = position - 0.5
    if (PADDING == REFLECTION) | (PADDING == EACH):
        turn = 2.0 * LENGTH
        rest = position - tl.floor(position / turn) * turn
        mirrored = LENGTH - tl.abs(rest - LENGTH) - 0.5
        at = mirrored if PADDING == REFLECTION else tl.where(padding == REFLECTION, mirrored, at)
    low, high = 0.0, last
    if PADDING == EACH:
        closed = (padding == BORDER) | (padding == REFLECTION)
        low, high = tl.where(closed, 0.0, -2.0), tl.where(closed, last, last + 2.0)
    elif (PADDING != BORDER) & (PADDING != REFLECTION):
        low, high = -2.0, last + 2.0
    at = tl.where(at > low, at, low)  # NaN becomes `low`
    at = tl.where(at < high, at, high)
    left = tl.floor(at)
    right, part = left + 1.0, at - left
    weight0 = tl.where((left >= 0.0) & (left <= last), 1.0 - part, 0.0)
    weight1 = tl.where((right >= 0.0) & (right <= last), part, 0.0)
    first = tl.minimum(tl.maximum(left, 0.0), last).to(tl.int32)
    second = tl.minimum(tl.maximum(right, 0.0), last).to(tl.int32)
    return first, second, weight0, weight1


@triton.jit
def _mix(plane, row0, row1, column0, column1, w00, w01, w10, w11, live):
    top = tl.load(plane + row0 + column0, mask=live, other=0.0).to(tl.float32) * w00
    top += tl.load(plane + row0 + column1, mask=live, other=0.0).to(tl.float32) * w01
    bottom = tl.load(plane + row1 + column0, mask=live, other=0.0).to(tl.float32) * w10
    bottom += tl.load(plane + row1 + column1, mask=live, other=0.0).to(tl.float32) * w11
    return top + bottom


@triton.jit
def read_level(
    data, plane, line, pixel, across, down, live, share, padding, fill_r, fill_g, fill_b,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, LEVEL: tl.constexpr, PADDING: tl.constexpr,
):  # fmt: skip
    """What one level gives to the pixels whose source is (across, down); plane, line, pixel: its strides."""
    shrink = 1.0 / (1 << LEVEL)
    column0, column1, left, right = taps(across * shrink, padding, ((WIDTH - 1) >> LEVEL) + 1, PADDING)
    row0, row1, top, bottom = taps(down * shrink, padding, ((HEIGHT - 1) >> LEVEL) + 1, PADDING)
    top, bottom = share * top, share * bottom
    w00, w01, w10, w11 = top * left, top * right, bottom * left, bottom * right
    row0, row1 = row0.to(tl.int64) * line, row1.to(tl.int64) * line
    column0, column1 = column0.to(tl.int64) * pixel, column1.to(tl.int64) * pixel
    r = _mix(data, row0, row1, column0, column1, w00, w01, w10, w11, live)
    g = _mix(data + plane, row0, row1, column0, column1, w00, w01, w10, w11, live)
    b = _mix(data + 2 * plane, row0, row1, column0, column1, w00, w01, w10, w11, live)
    if (PADDING == COLOUR) | (PADDING == EACH):
        outside = share - ((w00 + w01) + (w10 + w11))
        r, g, b = r + fill_r * outside, g + fill_g * outside, b + fill_b * outside
    return r, g, b


@triton.jit
def erased(box, x, y):
    """Whether the pixels x, y lie in the box (address of x0, y0, x1, y1)."""
    column, row = x.to(tl.float32), y.to(tl.float32)
    return (column >= tl.load(box)) & (row >= tl.load(box + 1)) & (column < tl.load(box + 2)) & (row < tl.load(box + 3))


@triton.jit
def view_offset(channel, x, y, SIZE: tl.constexpr, PATCH: tl.constexpr):
    """Place of a channel of the pixels x, y in a view as it lies in memory."""
    if PATCH == 0:
        return (channel * SIZE + y) * SIZE + x
    else:
        cell = y // PATCH * (SIZE // PATCH) + x // PATCH
        return ((cell * 3 + channel) * PATCH + y % PATCH) * PATCH + x % PATCH
