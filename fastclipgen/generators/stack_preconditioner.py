"""The fixed linear map that a stack of upsampled pictures under plain SGD amounts to.

Direct Ascent Synthesis (Fort and Whitaker, arXiv 2502.07753) optimises x = sum_r U_r P_r U_r^T over many resolutions r.
One SGD step on every P_r moves x by -lr * M(G), where G is the gradient at x and M(G) = sum_r A_r G A_r^T with
A_r = U_r U_r^T, so the P_r need not exist. Knows nothing of pictures, parameters or learning rates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fastclipgen.generators.upsampling import bicubic_matrix

_CHUNK = 8
"""Rows of one chunk of stacked resolutions, in canvas heights: bounds the memory of a step."""


class ExactPreconditioner(nn.Module):
    """M(G) = sum_r A_r G A_r^T, through the factors: down to every resolution and up again, as a few large matmuls.

    Resolutions of similar size share a chunk, padded with zero columns to the largest among them. Holds about
    S^3 / 2 numbers for all resolutions of an S x S canvas (76 MB at S = 336, 0.9 GB at 768).
    """

    error = 0.0

    def __init__(self, height: int, width: int, pairs: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.counts: list[int] = []
        for chunk in _chunks(pairs, _CHUNK * height):
            rows = _padded(height, [rh for rh, _ in chunk])  # [R, H, kh]
            index = len(self.counts)
            self.counts.append(len(chunk))
            # [R*kh, H]: all resolutions of the chunk under each other, so that going down is one matmul.
            self.register_buffer(f"rows_{index}", rows.mT.reshape(-1, height).contiguous(), persistent=False)
            self.register_buffer(f"cols_{index}", _padded(width, [rw for _, rw in chunk]), persistent=False)

    def forward(self, grad: Tensor) -> Tensor:
        """`grad` [..., H, W] -> M(grad), same shape and dtype. Linear and symmetric; positive definite with r = S."""
        planes = grad.reshape(-1, self.height, self.width)  # [M, H, W]
        # Planes side by side, [H, M*W]: every product below is then a view away from the next.
        flat = planes.transpose(0, 1).reshape(self.height, -1)
        total = torch.zeros_like(flat)
        for index, count in enumerate(self.counts):
            rows = self.get_buffer(f"rows_{index}")  # [R*kh, H]
            cols = self.get_buffer(f"cols_{index}")  # [R, W, kw]
            down = (rows @ flat).view(count, -1, self.width)  # [R, kh*M, W]
            up = torch.bmm(torch.bmm(down, cols), cols.mT)  # [R, kh*M, W]
            total = torch.addmm(total, rows.T, up.view(rows.shape[0], -1))
        return total.view(self.height, -1, self.width).transpose(0, 1).reshape(grad.shape)


class LowRankPreconditioner(nn.Module):
    """The best approximation of M by `rank` separable terms, G -> sum_k L_k G R_k: much less work, documented error.

    `error` is the relative Frobenius error of the map, measured on construction (S = 336: rank 8 about 1 %, 16 about
    0.3 %, 32 about 0.16 %). By Van Loan and Pitsianis (1993) the best such sum is a truncated SVD of the map rearranged
    as sum_r vec(A_r rows) vec(A_r cols)^T; here it is found through the R x R Gram matrices of those vectors.
    """

    left: Tensor
    right: Tensor

    def __init__(self, height: int, width: int, pairs: Sequence[tuple[int, int]], rank: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        rows = _outer_products(height, [rh for rh, _ in pairs])  # [R, H*H]
        cols = rows if height == width else _outer_products(width, [rw for _, rw in pairs])  # [R, W*W]
        root_rows, root_cols = _root(rows @ rows.T), _root(cols @ cols.T)
        u, sigma, vh = torch.linalg.svd(root_rows @ root_cols)
        kept = min(rank, int((sigma > 1e-12 * sigma[0]).sum()))
        self.error = float((sigma[kept:].square().sum() / sigma.square().sum()).sqrt())
        scale = sigma[:kept].rsqrt()[:, None]
        left = (scale * (vh[:kept] @ root_cols)) @ rows  # [K, H*H]
        right = (scale * (u[:, :kept].T @ root_rows)) @ cols  # [K, W*W]
        dtype = torch.get_default_dtype()
        self.register_buffer("left", left.view(-1, height).to(dtype), persistent=False)  # [K*H, H]
        self.register_buffer("right", right.view(-1, width, width).to(dtype), persistent=False)  # [K, W, W]

    def forward(self, grad: Tensor) -> Tensor:
        """`grad` [..., H, W] -> approximately M(grad), same shape and dtype."""
        planes = grad.reshape(-1, self.height, self.width)  # [M, H, W]
        flat = planes.transpose(0, 1).reshape(self.height, -1)  # [H, M*W]
        terms = torch.bmm((self.left @ flat).view(self.right.shape[0], -1, self.width), self.right)  # [K, H*M, W]
        return terms.sum(0).view(self.height, -1, self.width).transpose(0, 1).reshape(grad.shape)


def _chunks(pairs: Sequence[tuple[int, int]], limit: int) -> list[list[tuple[int, int]]]:
    """Neighbouring resolutions together, as many as stay within `limit` rows once padded to the largest."""
    chunks: list[list[tuple[int, int]]] = []
    for pair in pairs:
        if chunks and (len(chunks[-1]) + 1) * pair[0] <= limit:
            chunks[-1].append(pair)
        else:
            chunks.append([pair])
    return chunks


def _padded(size: int, resolutions: Sequence[int]) -> Tensor:
    """[R, size, max(resolutions)]: the upsampling matrices, with zero columns after the first r."""
    result = torch.zeros(len(resolutions), size, max(resolutions), dtype=torch.get_default_dtype())
    for index, resolution in enumerate(resolutions):
        result[index, :, :resolution] = bicubic_matrix(size, resolution)
    return result


def _outer_products(size: int, resolutions: Sequence[int]) -> Tensor:
    """[R, size*size] float64: U_r U_r^T of each resolution, flattened."""
    result = torch.empty(len(resolutions), size, size, dtype=torch.float64)
    for index, resolution in enumerate(resolutions):
        matrix = bicubic_matrix(size, resolution)
        torch.mm(matrix, matrix.T, out=result[index])
    return result.flatten(1)


def _root(gram: Tensor) -> Tensor:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh(gram)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
