"""The searches, gathers and sums of vq_lookup.py as torch ops, `fastclipgen::vq_*`, with every backend behind them.

Opaque to torch.compile, which sees only shapes. Arguments are checked before they come here: z [N, D] and codebook
[K, D] of one dtype on one device, 1 <= k <= min(16, K), `backend` as library.choose gave it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.ops import library, vq_lookup_reference

_ELEMENTS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}  # csrc/cpu/matrix.h


def supports(dtype: torch.dtype) -> bool:
    """Whether the compiled backends take it; the reference takes float64 too."""
    return dtype in _ELEMENTS


@torch.library.custom_op("fastclipgen::vq_nearest", mutates_args=())
def vq_nearest(z: Tensor, codebook: Tensor, backend: str) -> Tensor:
    """Index of the nearest code of each row, int64 [N]; of equally near ones the lowest."""
    indices = z.new_empty((len(z), 1), dtype=torch.int64)
    _search(z, codebook, None, indices, backend)
    return indices[:, 0].clone() if backend == "reference" else indices.view(-1)


@vq_nearest.register_fake
def _(z: Tensor, codebook: Tensor, backend: str) -> Tensor:
    return z.new_empty(len(z), dtype=torch.int64)


@torch.library.custom_op("fastclipgen::vq_topk", mutates_args=())
def vq_topk(z: Tensor, codebook: Tensor, k: int, backend: str) -> tuple[Tensor, Tensor]:
    """Squared distances [N, k] float32 (float64 for such z) and indices int64 [N, k], by distance, then by index."""
    distances, indices = _topk_outputs(z, k)
    _search(z, codebook, distances, indices, backend)
    return distances, indices


@vq_topk.register_fake
def _(z: Tensor, codebook: Tensor, k: int, backend: str) -> tuple[Tensor, Tensor]:
    return _topk_outputs(z, k)


def _topk_outputs(z: Tensor, k: int) -> tuple[Tensor, Tensor]:
    return z.new_empty((len(z), k), dtype=_sum_dtype(z)), z.new_empty((len(z), k), dtype=torch.int64)


def _sum_dtype(z: Tensor) -> torch.dtype:
    return torch.float64 if z.dtype == torch.float64 else torch.float32


def _search(z: Tensor, codebook: Tensor, distances: Tensor | None, indices: Tensor, backend: str) -> None:
    """Fills indices [N, k] and, where given, distances [N, k]; both contiguous."""
    k = indices.shape[1]
    if backend == "reference":
        found = vq_lookup_reference.topk(z, codebook, k)
        indices.copy_(found[1])
        if distances is not None:
            distances.copy_(found[0])
        return
    if len(z) == 0:
        return
    if backend == "triton":
        with torch.cuda.device_of(z):
            _triton().search(z, codebook, distances, indices)
        return
    native = library.require_native()
    (rows, depth), codes = z.shape, len(codebook)
    where = 0 if distances is None else distances.data_ptr()
    problem = (z.data_ptr(), rows, *z.stride(), codebook.data_ptr(), codes, *codebook.stride(), depth)
    problem += (_ELEMENTS[z.dtype], k, where, indices.data_ptr())
    if backend == "cpp":
        threads = torch.get_num_threads()
        scratch = z.new_empty(native.vq_topk_scratch(rows, codes, depth, k, threads, "auto"), dtype=torch.uint8)
        native.vq_topk(*problem, scratch.data_ptr(), threads, "auto")
    else:
        scratch = z.new_empty(native.vq_topk_cuda_scratch(rows, codes, depth), dtype=torch.uint8)
        native.vq_topk_cuda(*problem, scratch.data_ptr(), *library.queue(z.device))


@torch.library.custom_op("fastclipgen::vq_codes", mutates_args=())
def vq_codes(z: Tensor, codebook: Tensor, indices: Tensor, backend: str) -> Tensor:
    """codebook[indices] [N, D]. Its gradient goes to z unchanged and, added up by code, to the codebook."""
    return codebook.index_select(0, indices)


@vq_codes.register_fake
def _(z: Tensor, codebook: Tensor, indices: Tensor, backend: str) -> Tensor:
    return codebook.new_empty((len(indices), codebook.shape[1]))


def _keep_indices(ctx, inputs, output) -> None:
    _, codebook, indices, ctx.backend = inputs
    ctx.codes = len(codebook)
    ctx.save_for_backward(indices)


def _codes_backward(ctx, grad: Tensor):
    to_codebook = None
    if ctx.needs_input_grad[1]:
        (indices,) = ctx.saved_tensors
        to_codebook = vq_statistics(grad, indices, ctx.codes, ctx.backend)[0].to(grad.dtype)
    return grad if ctx.needs_input_grad[0] else None, to_codebook, None, None


vq_codes.register_autograd(_codes_backward, setup_context=_keep_indices)


@torch.library.custom_op("fastclipgen::vq_statistics", mutates_args=())
def vq_statistics(z: Tensor, indices: Tensor, codes: int, backend: str) -> tuple[Tensor, Tensor]:
    """Sums of the rows of each code [K, D] float32 (float64 for such z), in the rows' order, and counts int64 [K]."""
    if backend == "reference":
        return vq_lookup_reference.statistics(z, indices, codes)
    sums, counts = _statistics_outputs(z, codes)
    if backend == "cpp":
        native = library.require_native()
        indices, scratch = indices.contiguous(), z.new_empty(codes + 1 + len(z), dtype=torch.int64)
        problem = (z.data_ptr(), len(z), *z.stride(), z.shape[1], _ELEMENTS[z.dtype], indices.data_ptr(), codes)
        pointers = (counts.data_ptr(), sums.data_ptr(), scratch.data_ptr())
        native.vq_statistics(*problem, *pointers, torch.get_num_threads())
        return sums, counts
    order, begins = vq_lookup_reference.sorted_rows(indices, codes)
    if backend == "triton":
        with torch.cuda.device_of(z):
            _triton().add_rows(z, order, begins, sums)
    else:
        native = library.require_native()
        problem = (z.data_ptr(), *z.stride(), z.shape[1], _ELEMENTS[z.dtype], order.data_ptr(), begins.data_ptr())
        native.vq_add_rows_cuda(*problem, codes, sums.data_ptr(), *library.queue(z.device))
    return sums, begins.diff()


@vq_statistics.register_fake
def _(z: Tensor, indices: Tensor, codes: int, backend: str) -> tuple[Tensor, Tensor]:
    return _statistics_outputs(z, codes)


def _statistics_outputs(z: Tensor, codes: int) -> tuple[Tensor, Tensor]:
    return z.new_empty((codes, z.shape[1]), dtype=_sum_dtype(z)), z.new_empty(codes, dtype=torch.int64)


def _keep_indices_of_rows(ctx, inputs, output) -> None:
    z, indices, ctx.codes, _ = inputs
    ctx.dtype = z.dtype
    ctx.save_for_backward(indices)


def _statistics_backward(ctx, grad: Tensor, _: Tensor):
    (indices,) = ctx.saved_tensors
    inside = ((indices >= 0) & (indices < ctx.codes))[:, None]
    rows = grad.index_select(0, indices.clamp(0, ctx.codes - 1))
    return torch.where(inside, rows, 0.0).to(ctx.dtype), None, None, None


vq_statistics.register_autograd(_statistics_backward, setup_context=_keep_indices_of_rows)


def _triton():
    # Loaded only where it is used. Pyright does not see that the package holds kernels/.
    from fastclipgen.kernels import vq_lookup  # pyright: ignore[reportMissingImports]

    return vq_lookup
