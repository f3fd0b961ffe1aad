"""Philox words and uniforms in Triton: the twin of csrc/philox.h, the same bits.

The rounds are Triton's own `tl.philox` (Philox4x32-10); this file lays out counters and keys. Under
TRITON_INTERPRET=1 it runs on CPU tensors, which is how it is tested without a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 256


@triton.jit
def _store(word, out, live, UNIFORM: tl.constexpr):
    if UNIFORM:
        # 24 bits, so the conversion and the product are exact
        tl.store(out, (word >> 8).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08, mask=live)
    else:
        tl.store(out, word.to(tl.uint32, bitcast=True).to(tl.int64), mask=live)


@triton.jit
def _philox_kernel(seeds, step, out, stream, cutouts, n, calls, UNIFORM: tl.constexpr, BLOCK: tl.constexpr):
    """out [B, cutouts, n]; one lane makes one Philox call: four consecutive values of one row."""
    call = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    live = call < calls
    calls_per_row = (n + 3) // 4
    row = call // calls_per_row
    element = call - row * calls_per_row
    seed = tl.load(seeds + row // cutouts, mask=live, other=0)
    w0, w1, w2, w3 = tl.philox(
        seed,
        element.to(tl.uint32),
        (row % cutouts).to(tl.uint32),
        tl.full([BLOCK], tl.load(step), tl.uint32),
        tl.full([BLOCK], stream, tl.uint32),  # a Python int may arrive as int32 or as a constant
    )
    first = element * 4
    at = out + row * n + first
    _store(w0, at, live & (first < n), UNIFORM)
    _store(w1, at + 1, live & (first + 1 < n), UNIFORM)
    _store(w2, at + 2, live & (first + 2 < n), UNIFORM)
    _store(w3, at + 3, live & (first + 3 < n), UNIFORM)


def fill(seeds: Tensor, step: Tensor, stream: int, out: Tensor) -> None:
    """Fills `out` [B, cutouts, n] (contiguous) with words (int64) or uniforms (float32), by its dtype.

    seeds: int64 [B], contiguous. step: int64 0-d. All on one device.
    """
    _, cutouts, n = out.shape
    calls = out.shape[0] * cutouts * ((n + 3) // 4)
    if calls == 0:
        return
    grid = (triton.cdiv(calls, _BLOCK),)
    uniform = out.dtype == torch.float32
    _philox_kernel[grid](seeds, step, out, stream, cutouts, n, calls, UNIFORM=uniform, BLOCK=_BLOCK)  # type: ignore[reportIndexIssue]
