"""Nearest codes in plain torch, on any device and in blocks: the matrix of distances is never whole in memory.

Codes are sorted out by |e|^2 / 2 - z.e in float64 and the best few compared by exact distances. On a device without
float64 (mps) both are done in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS, _CODES = 256, 4096  # of a block of scores: 8 MiB in float64
_SPARE = 8  # candidates beyond the k that are asked for
# Distances that are equal in float64 may belong to scores that differ, by rounding or by more than |z|^2 leaves room
# for. This much for each index, relative to |z|^2 + |e|^2, keeps them in order.
_TILT = 2.0**-50
_LEAST = 2.0**-900  # for vectors of zeros


def topk(z: Tensor, codebook: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """z [N, D], codebook [K, D] -> squared distances and indices [N, k], by distance, then by index.

    Distances in float64 (float32 on mps); one that is not finite counts as infinite, and such codes come by index.
    """
    wide = torch.float32 if z.device.type == "mps" else torch.float64
    codes, kept = len(codebook), min(k + _SPARE, len(codebook))
    best = torch.full((len(z), kept), torch.inf, dtype=wide, device=z.device)
    found = torch.zeros((len(z), kept), dtype=torch.int64, device=z.device)
    for first in range(0, codes, _CODES):
        block = codebook[first : first + _CODES].to(wide)
        half = block.square().sum(1) / 2  # [C]
        index = torch.arange(first, first + len(block), device=z.device)
        tilt = index.to(wide) * (_TILT if wide == torch.float64 else 0.0)
        half = half + half * tilt
        for start in range(0, len(z), _ROWS):
            rows = slice(start, start + _ROWS)
            some = z[rows].to(wide)
            scores = torch.addmm(half, some, block.T, alpha=-1)  # [R, C]
            scores.addr_(some.square().sum(1) / 2 + _LEAST, tilt)
            scores.nan_to_num_(torch.inf, torch.inf, torch.inf)
            few = torch.topk(scores, min(kept, len(block)), largest=False)
            merged = torch.cat((best[rows], few.values), 1)
            best[rows], place = torch.topk(merged, kept, largest=False)
            found[rows] = torch.cat((found[rows], few.indices + first), 1).gather(1, place)
    # the first of equal ones is to be the lowest
    found, order = found.sort(1)
    best = best.gather(1, order)
    distances = torch.cat([_distances(z[i : i + _ROWS], codebook, found[i : i + _ROWS], wide) for i in _starts(z)])
    distances = torch.where(distances.isfinite() & best.isfinite(), distances, torch.inf)
    distances, order = distances.sort(dim=1, stable=True)
    return distances[:, :k], _fill(found.gather(1, order)[:, :k], distances[:, :k].isfinite(), codes)


def _starts(z: Tensor) -> range:
    return range(0, max(len(z), 1), _ROWS)


def _distances(z: Tensor, codebook: Tensor, found: Tensor, wide: torch.dtype) -> Tensor:
    """Squared distances [R, C] of each row to the codes in found [R, C], by differences."""
    return torch.stack([(z.to(wide) - codebook[one].to(wide)).square().sum(1) for one in found.unbind(1)], 1)


def _fill(indices: Tensor, finite: Tensor, codes: int) -> Tensor:
    """Puts the lowest indices that are not there yet where `finite` [N, k] is false, that is at the end of a row."""
    k = indices.shape[1]
    pool = torch.arange(min(2 * k, codes), device=indices.device)
    taken = ((pool[None, :, None] == indices[:, None]) & finite[:, None]).any(2)  # [N, 2k]
    free = taken.to(torch.uint8).argsort(dim=1, stable=True)
    place = torch.arange(k, device=indices.device) - finite.sum(1, keepdim=True)
    return torch.where(finite, indices, free.gather(1, place.clamp(min=0)))


def statistics(z: Tensor, indices: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    """Sums [K, D] float32 (float64 for such z) and counts int64 [K] of the rows of each code.

    Added row by row in float64 (float32 on mps), so no order of threads matters. Indices outside 0..K-1 are left out.
    """
    wide = torch.float32 if z.device.type == "mps" else torch.float64
    order, begins = sorted_rows(indices, codes)
    # the last bag holds the rows that are left out
    sums = torch.nn.functional.embedding_bag(order, z.to(wide), begins, mode="sum")[:-1]
    return sums.to(wide if z.dtype == wide else torch.float32), begins.diff()


def sorted_rows(indices: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    """Numbers of the rows by code [N], then by number; those of code c are begins[c] .. begins[c + 1] (begins [K + 1]).

    Rows with an index outside 0..K-1 come after all: begins[K] tells how many have one inside.
    """
    inside = (indices >= 0) & (indices < codes)
    key, order = torch.where(inside, indices, codes).sort(stable=True)
    return order, torch.searchsorted(key, torch.arange(codes + 1, device=indices.device))
