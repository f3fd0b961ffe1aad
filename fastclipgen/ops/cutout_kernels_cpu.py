"""Calls of the cutouts in C++, csrc/cpu/cutouts.h. The same interface as cutout_kernels_cuda.py; all dtypes float32."""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.ops import library

DTYPES = (torch.float32,)


def forward(
    images: Tensor, arrays: list[Tensor], step: Tensor, whole: list[int], real: list[float], views: Tensor
) -> None:
    pictures = images.contiguous()
    numbers = (int(step), pictures.data_ptr(), views.data_ptr(), torch.get_num_threads())
    library.require_native().cutouts_forward(whole, real, [t.data_ptr() for t in arrays], *numbers)


def backward(
    grad: Tensor,
    images: Tensor,
    arrays: list[Tensor],
    step: Tensor,
    whole: list[int],
    real: list[float],
    deterministic: bool,  # here it always is
    out: Tensor,
) -> None:
    pictures = images.contiguous()
    numbers = (int(step), pictures.data_ptr(), grad.data_ptr(), out.data_ptr(), torch.get_num_threads())
    library.require_native().cutouts_backward(whole, real, [t.data_ptr() for t in arrays], *numbers)
