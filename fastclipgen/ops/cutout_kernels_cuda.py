"""Calls of the cutouts in CUDA, csrc/cuda/cutouts.h: queued on the current stream of the pictures' device, no waiting.

Every backend has `forward` and `backward` with these arguments: pictures [B, 3, H, W] of any strides, views and their
gradients contiguous, all of one of DTYPES; `arrays`, the contiguous tensors of a CutoutParams (matrix, colour, erase,
noise_scale, around, seeds); step int64 0-d on the device; the numbers of `cutout_kernels.plan`; last what is written.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.ops import library

DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # in the order of csrc/cuda/cutouts.h


def forward(
    images: Tensor, arrays: list[Tensor], step: Tensor, whole: list[int], real: list[float], views: Tensor
) -> None:
    space = _workspace(images, whole, False, False)
    numbers = (*_pictures(images), views.data_ptr(), DTYPES.index(views.dtype), space.data_ptr())
    library.require_native().cutouts_forward_cuda(
        whole, real, [t.data_ptr() for t in arrays], step.data_ptr(), *numbers, *library.queue(images.device)
    )


def backward(
    grad: Tensor,
    images: Tensor,
    arrays: list[Tensor],
    step: Tensor,
    whole: list[int],
    real: list[float],
    deterministic: bool,
    out: Tensor,
) -> None:
    space = _workspace(images, whole, True, deterministic)
    numbers = (*_pictures(images), grad.data_ptr(), DTYPES.index(grad.dtype), out.data_ptr(), deterministic)
    library.require_native().cutouts_backward_cuda(
        whole,
        real,
        [t.data_ptr() for t in arrays],
        step.data_ptr(),
        *numbers,
        space.data_ptr(),
        *library.queue(images.device),
    )


def _pictures(images: Tensor) -> tuple[int, tuple[int, ...], int]:
    return images.data_ptr(), images.stride(), DTYPES.index(images.dtype)


def _workspace(images: Tensor, whole: list[int], is_backward: bool, deterministic: bool) -> Tensor:
    """Freed when the call returns: torch gives the memory only to what is queued on the same stream after it."""
    size = library.require_native().cutouts_workspace_cuda(whole, is_backward, deterministic)
    return torch.empty(size, dtype=torch.uint8, device=images.device)
