"""Nearest codes in Triton, in three kernels: pack, score, select. The twin of csrc/cuda/vq_lookup.cu.

pack rounds to bfloat16 and keeps what bounds need (csrc/vq_bound.h has the proof); score multiplies tiles and
keeps, for every row and group of 32 codes, only the least lower and the least upper bound; select takes the k-th least
upper bound as limit and computes exact distances, in float64, to all codes of those groups whose lower bound does not
exceed it.
Under TRITON_INTERPRET=1 all of it runs on CPU tensors, which is how it is tested without a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

GROUP = tl.constexpr(32)
_ROWS, _CODES, _STEP = 64, 128, 32  # of a tile of scores
_FEATURES = 256  # at once, in pack and in the sums
_FEATURES_OF_GROUP = 128  # at once at most, in select, for all codes of a group

_SLACK = tl.constexpr(2.0**-21)
_TINY = tl.constexpr(2.0**-48)
_LARGEST = tl.constexpr(1e18)
_ROUND_UP = tl.constexpr(1.0 + 2.0**-22)
_ACCUMULATION = tl.constexpr(2.0**-19)  # tensor cores, for each product
_DOUBLE = tl.constexpr(2.0**-51)
_INFINITY = tl.constexpr(float("inf"))
_NO_CODE = tl.constexpr(2**31 - 1)


@triton.jit
def _bfloat16_bits(value):
    """float32 to the bits of the nearest bfloat16 as int32, ties to even; Triton's interpreter cannot round."""
    bits = value.to(tl.int32, bitcast=True)
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


@triton.jit
def _pack_kernel(
    x, row_stride, column_stride, depth, padded_depth, out, first, norms, thirds,
    CODES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One row of x, padded with zeros, to bfloat16, and its terms.

    Of a code: half_square, norm and rounding; of a row of z: own, norm and blur.
    """
    row = tl.program_id(0).to(tl.int64)
    source = x + row * row_stride
    lane = tl.arange(0, BLOCK).to(tl.int64)
    squares = tl.zeros([BLOCK], tl.float64)
    lost = tl.zeros([BLOCK], tl.float64)
    for start in range(0, padded_depth, BLOCK):
        at = start + lane
        value = tl.load(source + at * column_stride, mask=at < depth, other=0.0).to(tl.float32)
        wide = value.to(tl.float64)
        rest = wide - (_bfloat16_bits(value) << 16).to(tl.float32, bitcast=True).to(tl.float64)
        squares += wide * wide
        lost += rest * rest
    square = tl.sum(squares, 0)
    norm = tl.sqrt(square) + _TINY
    away = tl.sqrt(tl.sum(lost, 0))
    known = square < _INFINITY
    bounded = known & (norm <= _LARGEST)
    if CODES:
        half = 0.5 * square * (1.0 - _SLACK)  # pyright: ignore[reportOperatorIssue]
        tl.store(first + row, tl.where(bounded, half, tl.where(known, -_INFINITY, _INFINITY)).to(tl.float32))
        tl.store(norms + row, tl.where(bounded, norm * _ROUND_UP, 1.0).to(tl.float32))
        tl.store(thirds + row, tl.where(bounded, away / norm * _ROUND_UP, 0.0).to(tl.float32))
    else:
        own = (away + (1.02 * _ACCUMULATION * depth + _SLACK) * norm) * _ROUND_UP
        tl.store(first + row, tl.where(bounded, own, tl.where(known, _INFINITY, -_INFINITY)).to(tl.float32))
        tl.store(norms + row, tl.where(bounded, norm * 1.01, 0.0).to(tl.float32))
        blur = (depth + 4) * (square * _DOUBLE)
        tl.store(thirds + row, tl.where(bounded, blur, 0.0).to(tl.float32))
    used = tl.where(bounded, depth, 0)
    for start in range(0, padded_depth, BLOCK):
        at = start + lane
        value = tl.load(source + at * column_stride, mask=at < used, other=0.0).to(tl.float32)
        tl.store(out + row * padded_depth + at, _bfloat16_bits(value).to(tl.int16), mask=at < padded_depth)


@triton.jit
def _score_kernel(
    z, own, row_norms, blurs, codes, half_squares, norms, roundings, lowers, uppers, n, k, groups, padded_depth,
    ROWS: tl.constexpr, CODES: tl.constexpr, STEP: tl.constexpr, WIDEN: tl.constexpr,
):  # fmt: skip
    """lowers and uppers [n, groups]: the least bounds of each row and group. z [n, padded_depth], codes [k, same]."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    code = tl.program_id(1).to(tl.int64) * CODES + tl.arange(0, CODES)
    live_row, live_code = row < n, code < k
    step = tl.arange(0, STEP)
    dots = tl.zeros([ROWS, CODES], tl.float32)
    for start in range(0, padded_depth, STEP):
        left = tl.load(z + row[:, None] * padded_depth + (start + step)[None, :], mask=live_row[:, None], other=0.0)
        lines = codes + code[None, :] * padded_depth + (start + step)[:, None]
        right = tl.load(lines, mask=live_code[None, :], other=0.0)
        if WIDEN:
            dots = tl.dot(left.to(tl.float32), right.to(tl.float32), dots, input_precision="ieee")
        else:
            dots = tl.dot(left, right, dots)
    half = tl.load(half_squares + code, mask=live_code, other=_INFINITY)[None, :]
    norm = tl.load(norms + code, mask=live_code, other=0.0)[None, :]
    rounding = tl.load(roundings + code, mask=live_code, other=0.0)[None, :]
    own_of_row = tl.load(own + row, mask=live_row, other=0.0)[:, None]
    reach = own_of_row + rounding * tl.load(row_norms + row, mask=live_row, other=0.0)[:, None]
    lower = (half - dots) - reach * norm
    lower = tl.where(lower == lower, lower, -_INFINITY)
    lower = tl.where(half == _INFINITY, _INFINITY, lower)
    upper = lower + 2.25 * (reach * norm + _SLACK * half)
    upper += tl.load(blurs + row, mask=live_row, other=0.0)[:, None]
    upper = tl.where(tl.abs(lower) < _INFINITY, upper, _INFINITY)
    lower = tl.min(tl.reshape(lower, [ROWS, CODES // GROUP, GROUP]), 2)
    upper = tl.min(tl.reshape(upper, [ROWS, CODES // GROUP, GROUP]), 2)
    group = tl.program_id(1).to(tl.int64) * (CODES // GROUP) + tl.arange(0, CODES // GROUP)
    live = live_row[:, None] & (group < groups)[None, :]
    at = row[:, None] * groups + group[None, :]
    tl.store(lowers + at, lower, mask=live)
    tl.store(uppers + at, upper, mask=live)


@triton.jit
def _select_kernel(
    z, z_row, z_column, codebook, code_row, code_column, depth, k, lowers, uppers, groups, distances, indices,
    NEAREST: tl.constexpr, PLACES: tl.constexpr, GROUPS: tl.constexpr, BLOCK: tl.constexpr, DISTANCES: tl.constexpr,
):  # fmt: skip
    """The NEAREST codes of one row. PLACES and GROUPS: powers of 2 that hold NEAREST and groups."""
    row = tl.program_id(0).to(tl.int64)
    source = z + row * z_row
    group = tl.arange(0, GROUPS)
    bounds = tl.load(uppers + row * groups + group, mask=group < groups, other=_INFINITY)
    for _ in range(NEAREST - 1):
        first = tl.min(tl.where(bounds == tl.min(bounds, 0), group, GROUPS), 0)
        bounds = tl.where(group == first, _INFINITY, bounds)
    limit = tl.min(bounds, 0)  # NEAREST groups, so as many codes, are known to score no more
    least = tl.load(lowers + row * groups + group, mask=group < groups, other=_INFINITY)
    open_group = (least <= limit) & (least < _INFINITY)
    member = tl.arange(0, GROUP)
    feature = tl.arange(0, BLOCK)
    place = tl.arange(0, PLACES)
    kept = tl.where(place < NEAREST, _INFINITY, -1.0).to(tl.float64)  # the nearest so far, in no order
    kept_code = tl.full([PLACES], _NO_CODE, tl.int32)
    current = tl.min(tl.where(open_group, group, GROUPS), 0)
    while current < GROUPS:
        code = current * GROUP + member
        squares = tl.zeros([GROUP], tl.float64)
        for start in range(0, depth, BLOCK):
            at = (start + feature).to(tl.int64)
            live = at < depth
            mine = tl.load(source + at * z_column, mask=live, other=0.0).to(tl.float32).to(tl.float64)
            line = codebook + code.to(tl.int64)[:, None] * code_row + at[None, :] * code_column
            its = tl.load(line, mask=live[None, :] & (code < k)[:, None], other=0.0).to(tl.float32).to(tl.float64)
            difference = mine[None, :] - its
            squares += tl.sum(difference * difference, 1)
        squares = tl.where((code < k) & (squares < _INFINITY), squares, _INFINITY)
        nearest, worst = tl.min(squares, 0), tl.max(kept, 0)
        while nearest < worst:  # groups come by index, so of equal distances the lower index is there already
            new_code = tl.min(tl.where(squares == nearest, code, _NO_CODE), 0)
            last_code = tl.max(tl.where(kept == worst, kept_code, -1), 0)
            out = tl.min(tl.where((kept == worst) & (kept_code == last_code), place, PLACES), 0)
            kept = tl.where(place == out, nearest, kept)
            kept_code = tl.where(place == out, new_code, kept_code)
            squares = tl.where(code == new_code, _INFINITY, squares)
            nearest, worst = tl.min(squares, 0), tl.max(kept, 0)
        current = tl.min(tl.where(open_group & (group > current), group, GROUPS), 0)
    kept = tl.where(place < NEAREST, kept, _INFINITY)
    any_code = tl.arange(0, 2 * PLACES)
    free = tl.sum((kept_code[:, None] == any_code[None, :]).to(tl.int32), 0) == 0
    for i in range(NEAREST):
        distance = tl.min(kept, 0)
        # where no finite distance is left, the lowest index that is not there yet
        spare = tl.min(tl.where(free, any_code, _NO_CODE), 0)
        chosen = tl.min(tl.where(kept == distance, kept_code, _NO_CODE), 0)
        chosen = tl.where(distance < _INFINITY, chosen, spare)
        free = free & (any_code != chosen)
        kept = tl.where(kept_code == chosen, _INFINITY, kept)
        tl.store(indices + row * NEAREST + i, chosen.to(tl.int64))
        if DISTANCES:
            tl.store(distances + row * NEAREST + i, distance.to(tl.float32))


@triton.jit
def _add_rows_kernel(z, row_stride, column_stride, depth, order, begins, sums, BLOCK: tl.constexpr):
    """One code's sum over its rows, in their order, in float64."""
    code = tl.program_id(0).to(tl.int64)
    begin, end = tl.load(begins + code), tl.load(begins + code + 1)
    for start in range(0, depth, BLOCK):
        at = start + tl.arange(0, BLOCK).to(tl.int64)
        live = at < depth
        total = tl.zeros([BLOCK], tl.float64)
        for i in range(begin, end):
            row = tl.load(order + i)
            value = tl.load(z + row * row_stride + at * column_stride, mask=live, other=0.0)
            total += value.to(tl.float32).to(tl.float64)
        tl.store(sums + code * depth + at, total.to(tl.float32), mask=live)


def search(z: Tensor, codebook: Tensor, distances: Tensor | None, indices: Tensor) -> None:
    """Fills indices [N, k] and, where given, squared distances [N, k] of the k nearest codes; both contiguous.

    z [N, D] and codebook [K, D]: float32, bfloat16 or float16, any strides; N, D and K of 1 or more, 1 <= k <= K.
    """
    (n, depth), codes, nearest = z.shape, len(codebook), indices.shape[1]
    padded = triton.cdiv(depth, _STEP) * _STEP
    groups = triton.cdiv(codes, GROUP.value)
    rounded, terms = z.new_empty((n, padded), dtype=torch.bfloat16), z.new_empty((3, n), dtype=torch.float32)
    lines, code_terms = z.new_empty((codes, padded), dtype=torch.bfloat16), z.new_empty((3, codes), dtype=torch.float32)
    bounds = z.new_empty((2, n, groups), dtype=torch.float32)
    _pack_kernel[(n,)](z, *z.stride(), depth, padded, rounded.view(torch.int16), *terms, CODES=False, BLOCK=_FEATURES)  # type: ignore[reportIndexIssue]
    sources = (codebook, *codebook.stride(), depth, padded)
    _pack_kernel[(codes,)](*sources, lines.view(torch.int16), *code_terms, CODES=True, BLOCK=_FEATURES)  # type: ignore[reportIndexIssue]
    grid = (triton.cdiv(n, _ROWS), triton.cdiv(codes, _CODES))
    # the interpreter, which alone sees CPU tensors, multiplies the bits of bfloat16
    sizes = {"ROWS": _ROWS, "CODES": _CODES, "STEP": _STEP, "WIDEN": not z.is_cuda}
    _score_kernel[grid](rounded, *terms, lines, *code_terms, *bounds, n, codes, groups, padded, **sizes)  # type: ignore[reportIndexIssue]
    shape = {"NEAREST": nearest, "PLACES": triton.next_power_of_2(nearest), "GROUPS": triton.next_power_of_2(groups)}
    _select_kernel[(n,)](  # type: ignore[reportIndexIssue]
        *(z, *z.stride(), codebook, *codebook.stride(), depth, codes, *bounds, groups),
        *(indices if distances is None else distances, indices),
        **shape,
        BLOCK=min(triton.next_power_of_2(depth), _FEATURES_OF_GROUP),
        DISTANCES=distances is not None,
    )


def add_rows(z: Tensor, order: Tensor, begins: Tensor, sums: Tensor) -> None:
    """sums [K, D] float32 (contiguous): for each code c the sum of the rows order[begins[c] : begins[c + 1]] of z."""
    _add_rows_kernel[(len(sums),)](z, *z.stride(), z.shape[1], order, begins, sums, BLOCK=_FEATURES)  # type: ignore[reportIndexIssue]
