"""Three ways in which other projects bring pictures to a perceptor's size, in plain torch.

K. Crowson's notebook (2021) resizes crops by a separable Lanczos low-pass, then bicubic interpolation; both are linear,
so the two are one matrix for each axis of each view, and all views of all pictures are two matrix products.
nerdyrodent's VQGAN-CLIP takes the mean of average and maximum pooling of the whole picture.
clipping-CLIP-to-GAN interpolates the whole picture bilinearly, without a low-pass.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.ops.cutout_params import CutoutParams

_LOBES = 2  # of the Lanczos window
_CUBIC = -0.75  # torch's bicubic


def pooled(images: Tensor, size: int) -> Tensor:
    """[B, 3, H, W] to [B, 3, size, size]: (average + maximum) / 2 over the same cells."""
    average = functional.adaptive_avg_pool2d(images, size)
    return (average + functional.adaptive_max_pool2d(images, size)) / 2


def bilinear(images: Tensor, size: int) -> Tensor:
    """[B, 3, H, W] -> [B, 3, size, size], each value mixed from the four pixels around its place and no others."""
    return functional.interpolate(images, (size, size), mode="bilinear", align_corners=False)


def lanczos_crops(images: Tensor, params: CutoutParams) -> Tensor:
    """Whole-pixel crops [B, 3, H, W] -> [B, 3, N, S, S], resized as the notebook does."""
    size, matrix = params.size, params.matrix
    longest = max(params.height, params.width)
    wide = _axis_weights(matrix[..., 0, 2], matrix[..., 0, 0] * size, size, params.width, longest)  # [B, N, S, W]
    tall = _axis_weights(matrix[..., 1, 2], matrix[..., 1, 1] * size, size, params.height, longest)
    rows = torch.matmul(images[:, :, None], wide.to(images.dtype).mT[:, None])  # [B, 3, N, H, S]
    return torch.matmul(tall.to(images.dtype)[:, None], rows)


def _axis_weights(start: Tensor, side: Tensor, size: int, length: int, longest: int) -> Tensor:
    """How much each of `length` pixels counts in each of `size` outputs: [B, N, size, length] float32.

    start, side: [B, N], whole numbers: the crop is start..start+side-1. longest: bounds the side.
    """
    start, side = start.round()[..., None, None, None], side.round()[..., None, None, None]  # [B, N, 1, 1, 1]
    place = torch.arange(size, device=start.device, dtype=torch.float32)[:, None, None]  # [S, 1, 1]
    # Corner pixels meet corner pixels; a single output looks at the first one.
    at = place * (side - 1.0) / max(size - 1, 1)
    left = torch.floor(at)
    taps = torch.arange(-1, 3, device=start.device, dtype=torch.float32)[:, None]  # [4, 1]
    cubic = _cubic((at - left - taps).abs())
    tap = (left + taps).clamp_min(0.0).minimum(side - 1.0)  # the edge goes on outside  [B, N, S, 4, 1]
    reach = max(1, math.ceil(_LOBES * longest / size))
    offsets = torch.arange(-reach, reach + 1, device=start.device, dtype=torch.float32)  # [D]
    lowpass = _lanczos(offsets * (size / side))
    lowpass = lowpass / lowpass.sum(-1, keepdim=True)
    lowpass = torch.where(side > size, lowpass, (offsets == 0).to(lowpass.dtype))  # only axes that shrink
    source = tap + offsets
    period = (2.0 * (side - 1.0)).clamp_min(1.0)
    inside = torch.remainder(source, period)
    inside = torch.minimum(inside, period - inside).minimum(side - 1.0)  # reflected without repeating the edge
    index = (start + inside).flatten(-2).to(torch.int64).clamp(0, length - 1)  # [B, N, S, 4*D]
    weight = (cubic * lowpass).flatten(-2)
    return torch.zeros(*index.shape[:-1], length, device=start.device).scatter_add(-1, index, weight)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel at distances x >= 0."""
    near = ((_CUBIC + 2.0) * x - (_CUBIC + 3.0)) * x * x + 1.0
    far = ((_CUBIC * x - 5.0 * _CUBIC) * x + 8.0 * _CUBIC) * x - 4.0 * _CUBIC
    return torch.where(x <= 1.0, near, torch.where(x < 2.0, far, 0.0))


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < _LOBES, torch.sinc(x) * torch.sinc(x / _LOBES), 0.0)
