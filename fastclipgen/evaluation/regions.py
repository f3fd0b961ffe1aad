"""Masks of small pictures: shrinking, growing and the largest connected piece. Knows nothing of colours or shapes."""

from __future__ import annotations

import numpy as np


def dilate(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """bool [H, W] grown by `times` pixels, diagonals included."""
    for _ in range(times):
        padded = np.pad(mask, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        mask = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return mask


def erode(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """bool [H, W] shrunk by `times` pixels; what lies beyond the picture's edge counts as inside."""
    return ~dilate(~mask, times)


def opened(mask: np.ndarray) -> np.ndarray:
    """`mask` without whatever is thinner than three pixels."""
    return dilate(erode(mask)) & mask


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece of `mask`, bool [H, W], pixels that share a side being connected; all False if it is empty.

    Every pixel takes the smallest pixel number around it, and then the number that this pixel has, until nothing
    changes: the second half makes numbers travel in growing jumps instead of a pixel a round.
    """
    none = mask.size
    label = np.full(np.add(mask.shape, 2), none)
    label[1:-1, 1:-1][mask] = np.flatnonzero(mask)
    inner = label[1:-1, 1:-1]
    while True:
        around = np.minimum.reduce([inner, label[:-2, 1:-1], label[2:, 1:-1], label[1:-1, :-2], label[1:-1, 2:]])
        jump = np.append(around.reshape(-1), none)  # the number of "no piece" leads to itself
        jump = jump[jump]
        found = np.where(mask, jump[jump[:-1]].reshape(mask.shape), none)
        if np.array_equal(found, inner):
            break
        inner[:] = found
    sizes = np.bincount(inner[mask], minlength=1)
    return mask & (inner == sizes.argmax())
