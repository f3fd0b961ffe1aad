"""Nearest rows of a codebook: the bottleneck of a VQGAN, for drawing and for training, without the N x K distances.

Results are exact. Scores of all pairs are computed fast (bfloat16 matrix units where there are any) with a proven bound
on their error, and every code that the bound leaves in question is compared by its distance in float64. So an index is
that of the smallest distance, of equal ones the lowest, the same on every backend and with any number of threads.

For drawing (K. Crowson's "VQGAN+CLIP" loop: optimise z, quantise at each step):
    codes, _ = vq_lookup(z.movedim(1, -1), codebook.detach())  # z [B, D, h, w]
For training: `vq_quantize`, with a codebook that learns by its gradient or by moving averages of `vq_statistics`
(A. van den Oord et al., "Neural discrete representation learning", arXiv 1711.00937, and its appendix A.1).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import library, vq_lookup_kernels

MOST_NEIGHBOURS = 16
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class Quantized(NamedTuple):
    """codes [..., D] with the gradient of z, indices int64 [...], and the loss that training adds (0-d)."""

    codes: Tensor
    indices: Tensor
    loss: Tensor


def vq_lookup(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest code of every vector, with a straight-through gradient.

    z [..., D], codebook [K, D]: float32, bfloat16, float16 or float64, the same for both, with any strides.
    Returns codes [..., D], exact rows of the codebook, and indices int64 [...]. Of equally near codes the lowest index
    is taken. A distance that is not finite counts as infinite, so a vector with NaN or infinity gets index 0.
    The gradient of codes goes to z unchanged and to the codebook summed up by code (in float64, in a fixed order); pass
    codebook.detach() where it is not to learn from it.
    Raises UserError for shapes, dtypes or devices that do not fit, and for a codebook without codes.
    """
    rows, backend = _rows(z, codebook)
    indices = vq_lookup_kernels.vq_nearest(rows, codebook, backend)
    codes = vq_lookup_kernels.vq_codes(rows, codebook, indices, backend)
    return codes.view(z.shape), indices.view(z.shape[:-1])


def vq_quantize(z: Tensor, codebook: Tensor, commitment: float = 0.25) -> Quantized:
    """`vq_lookup` as the bottleneck of a VQGAN in training.

    Arguments as in `vq_lookup`. The gradient of the codes goes to z only; the codebook learns from the loss,
    mean((codes - sg(z))**2) + commitment * mean((z - sg(codes))**2) over all elements, sg being the stopped gradient
    (of equations 3 in arXiv 1711.00937; float32, or float64 for such z). Raises UserError as `vq_lookup`.
    """
    rows, backend = _rows(z, codebook)
    indices = vq_lookup_kernels.vq_nearest(rows, codebook, backend)
    codes = vq_lookup_kernels.vq_codes(rows, codebook.detach(), indices, backend)
    picked = vq_lookup_kernels.vq_codes(rows.detach(), codebook, indices, backend)
    wide = torch.float64 if z.dtype == torch.float64 else torch.float32
    loss = (picked.to(wide) - rows.detach().to(wide)).square().mean()
    loss = loss + commitment * (rows.to(wide) - picked.detach().to(wide)).square().mean()
    return Quantized(codes.view(z.shape), indices.view(z.shape[:-1]), loss)


def vq_topk(z: Tensor, codebook: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest codes of every vector, nearest first, equally near ones by index.

    Arguments as in `vq_lookup`; k from 1 to 16. Returns squared distances float32 [..., k] (float64 for such z) and
    indices int64 [..., k]; neither has a gradient. Codes without a finite distance come last, with infinity, by index.
    Raises UserError as `vq_lookup`, and for a k that is out of range or more than the codes.
    """
    rows, backend = _rows(z, codebook)
    if not 1 <= k <= min(MOST_NEIGHBOURS, len(codebook)):
        raise UserError(
            f"vq_topk: k must be from 1 to {MOST_NEIGHBOURS} and no more than the {len(codebook)} codes, got {k}"
        )
    distances, indices = vq_lookup_kernels.vq_topk(rows.detach(), codebook.detach(), k, backend)
    return distances.view(*z.shape[:-1], k), indices.view(*z.shape[:-1], k)


def vq_statistics(z: Tensor, indices: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    """How many vectors went to each code, and their sums.

    z [..., D] as in `vq_lookup`, indices integers [...], codes: K. Returns counts int64 [K] and sums [K, D] float32
    (float64 for such z), the latter differentiable. Added in float64 in the order of the vectors: the same bits with
    any number of threads. Vectors whose index is outside 0..K-1 are left out.
    Raises UserError for shapes, dtypes or devices that do not fit, and for codes below 1.
    """
    _check_vectors("z", z)
    if indices.shape != z.shape[:-1] or indices.device != z.device or indices.is_floating_point():
        raise UserError(
            f"vq_statistics: indices must be integers {list(z.shape[:-1])} on {z.device}, one for each vector of z, "
            f"got {indices.dtype} {list(indices.shape)} on {indices.device}"
        )
    if codes < 1:
        raise UserError(f"vq_statistics: codes must be 1 or more, the rows of the codebook, got {codes}")
    rows = z.reshape(-1, z.shape[-1])
    sums, counts = vq_lookup_kernels.vq_statistics(rows, indices.reshape(-1).long(), codes, _backend(z))
    return counts, sums


def _rows(z: Tensor, codebook: Tensor) -> tuple[Tensor, str]:
    """z as [N, D], after the checks, and the backend for it."""
    _check_vectors("z", z)
    _check_vectors("the codebook", codebook)
    if codebook.ndim != 2 or len(codebook) == 0:
        raise UserError(f"vq_lookup: the codebook must be [K, D] with K of 1 or more, got {list(codebook.shape)}")
    if z.shape[-1] != codebook.shape[1]:
        raise UserError(
            f"vq_lookup: vectors of z {list(z.shape)} and of the codebook {list(codebook.shape)} must be of one length "
            "(the last size); for pictures [B, D, h, w] pass z.movedim(1, -1)"
        )
    if z.dtype != codebook.dtype or z.device != codebook.device:
        raise UserError(
            f"vq_lookup: z and the codebook must be of one dtype on one device, got {z.dtype} on {z.device} and "
            f"{codebook.dtype} on {codebook.device}; convert one of them"
        )
    return z.reshape(-1, z.shape[-1]), _backend(z)


def _check_vectors(name: str, vectors: Tensor) -> None:
    if vectors.dtype not in _DTYPES:
        kinds = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise UserError(f"vq_lookup: {name} must be of {kinds}, got {vectors.dtype}; convert it")
    if vectors.ndim < 1 or vectors.shape[-1] == 0:
        raise UserError(f"vq_lookup: {name} must be vectors [..., D] with D of 1 or more, got {list(vectors.shape)}")


def _backend(z: Tensor) -> str:
    return library.choose("vq_lookup", z.device) if vq_lookup_kernels.supports(z.dtype) else "reference"
