"""Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

A draw is a pure function of (seed of the picture, step, cutout, stream, element). There is no state, so the draws of a
picture depend neither on its place in a batch nor on the device, and torch's and Python's generators are never touched.
This file knows nothing of what the numbers are for; `Stream` only keeps purposes apart.
"""

from __future__ import annotations

import math
from enum import IntEnum

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import library, philox_kernels

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10


class Stream(IntEnum):
    """The purpose of a draw: the last word of the counter, so that no two purposes share bits."""

    INIT = 0
    GEOMETRY = 1
    COLOUR = 2
    ERASE = 3
    NOISE = 4
    NOISE_SCALE = 5
    STARTS = 6
    DATA = 7
    TOKENS = 8
    PROMPT = 9
    NOISE_START = 10
    FEATURE_NOISE = 11
    EXPRESSION = 12
    TRANSFORM = 13
    TEXT = 14


def words(seeds: Tensor, step: int | Tensor, stream: Stream, n: int, cutouts: int = 1) -> Tensor:
    """Random 32-bit words.

    seeds: int64 [B], any 64-bit pattern. step: int or 0-d integer tensor (taken modulo 2**32); as a tensor it lets a
    compiled step run on without recompiling. n: words for each cutout of each picture.
    Returns int64 [B, cutouts, n] on the device of `seeds`, values 0..2**32-1. Word i comes from counter element i // 4.
    Raises UserError for seeds that are not int64 [B].
    """
    return _draw(seeds, step, stream, n, cutouts, torch.int64)


def _draw(seeds: Tensor, step: int | Tensor, stream: Stream, n: int, cutouts: int, dtype: torch.dtype) -> Tensor:
    """Words (dtype int64) or uniforms (float32). The one place where a backend is chosen; all give the same bits."""
    if seeds.dtype != torch.int64 or seeds.ndim != 1:
        raise UserError(
            f"seeds must be an int64 tensor of shape [B], got {seeds.dtype} {list(seeds.shape)}; convert them"
        )
    backend = library.choose("philox", seeds.device)
    if backend != "reference":
        return philox_kernels.draw(seeds, step, stream, n, cutouts, dtype, backend)
    drawn = reference_words(seeds, step, stream, n, cutouts)
    return drawn if dtype == torch.int64 else to_uniform(drawn)


def reference_words(seeds: Tensor, step: int | Tensor, stream: Stream, n: int, cutouts: int) -> Tensor:
    """`words` in plain torch."""
    device = seeds.device
    if isinstance(step, Tensor):
        step_word = step.to(device=device, dtype=torch.int64) & _MASK
    else:
        step_word = torch.full((), step & _MASK, dtype=torch.int64, device=device)  # a fill, not a copy from the host
    counter = (
        torch.arange((n + 3) // 4, dtype=torch.int64, device=device),  # [E]
        torch.arange(cutouts, dtype=torch.int64, device=device)[:, None],  # [C, 1]
        step_word,  # []
        torch.full_like(step_word, int(stream)),  # []
    )
    key = (seeds & _MASK, (seeds >> 32) & _MASK)
    block = philox4x32(counter, (key[0][:, None, None], key[1][:, None, None]))  # 4 x [B, C, E]
    return torch.stack(block, dim=-1).flatten(-2)[..., :n]


def philox4x32(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """The Philox4x32-10 bijection: four counter and two key words (int64, 0..2**32-1) broadcast to four output words.

    The words travel unbroadcast as far as they can, so the first rounds are nearly free for large batches.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # An int64 product wraps, but its 64 bits are those of the unsigned product: mask after shifting.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32 & _MASK) ^ c1 ^ k0, p1 & _MASK, (p0 >> 32 & _MASK) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return tuple(torch.broadcast_tensors(c0, c1, c2, c3))


def to_uniform(word: Tensor) -> Tensor:
    """Words to float32 in [0, 1): the upper 24 bits, so every value is exact and 1 is never reached."""
    return (word >> 8).to(torch.float32) * 2.0**-24


def uniforms(seeds: Tensor, step: int | Tensor, stream: Stream, n: int, cutouts: int = 1) -> Tensor:
    """Uniform float32 [B, cutouts, n] in [0, 1); arguments as in `words`, one word each."""
    return _draw(seeds, step, stream, n, cutouts, torch.float32)


def normals(seeds: Tensor, step: int | Tensor, stream: Stream, n: int, cutouts: int = 1) -> Tensor:
    """Standard normal float32 [B, cutouts, n]; arguments as in `words`.

    Box-Muller (1958) on the uniforms (2i, 2i+1): always finite, |z| < 5.8. The uniforms are the same bits on every
    device; log, cos and sin may differ in the last place between devices.
    """
    pairs = uniforms(seeds, step, stream, n + n % 2, cutouts).unflatten(-1, (-1, 2))  # [B, C, n/2, 2]
    u1 = pairs[..., 0] + 2.0**-24  # (0, 1]: the logarithm stays finite
    angle = pairs[..., 1] * (2.0 * math.pi)
    radius = torch.sqrt(-2.0 * torch.log(u1))
    return torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=-1).flatten(-2)[..., :n]
