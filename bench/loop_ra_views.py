"""R-A's views: K. Crowson's z+quantize notebook (2021), one crop after the other.

A square crop of the picture, a separable Lanczos-2 low-pass along each axis that shrinks (the picture reflected at its
edges), then bicubic interpolation between corner pixels. Written from a description of the method.
"""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.generators.clamp import clamp_with_grad
from fastclipgen.ops.cutout_spec import CutoutSpec

_LOBES = 2


class NotebookViews:
    """Draws square crops of `spec.crop` times the picture's short side, resized to `size` pixels."""

    def __init__(self, spec: CutoutSpec, size: int, seed: int) -> None:
        self.spec, self.size, self.random = spec, size, random.Random(seed)

    def draw(self, image: Tensor, count: int) -> Tensor:
        """`count` views [N, 3, S, S] of a picture [1, 3, H, W], in 0..1."""
        views = [lanczos_resize(self._crop(image), self.size) for _ in range(count)]
        return clamp_with_grad(torch.cat(views))

    def _crop(self, image: Tensor) -> Tensor:
        spec, (height, width) = self.spec, image.shape[-2:]
        short = min(height, width)
        low = max(spec.crop[0], min(1.0, self.size / short)) if spec.unenlarged else spec.crop[0]
        share = low + self.random.random() ** spec.crop_power * (spec.crop[1] - low)
        side = max(1, int(share * short))
        y, x = self.random.randint(0, height - side), self.random.randint(0, width - side)
        return image[..., y : y + side, x : x + side]


def lanczos_resize(image: Tensor, size: int) -> Tensor:
    """[1, 3, h, w] to [1, 3, size, size]."""
    height, width = image.shape[-2:]
    flat = image.reshape(-1, 1, height, width)
    if size < height:
        weights = _lowpass(size / height, image)
        reach = len(weights) // 2
        flat = F.conv2d(F.pad(flat, [0, 0, reach, reach], "reflect"), weights[None, None, :, None])
    if size < width:
        weights = _lowpass(size / width, image)
        reach = len(weights) // 2
        flat = F.conv2d(F.pad(flat, [reach, reach, 0, 0], "reflect"), weights[None, None, None])
    return F.interpolate(flat.view(1, -1, height, width), (size, size), mode="bicubic", align_corners=True)


def _lowpass(scale: float, like: Tensor) -> Tensor:
    """The weights, of sum 1 and odd number, of a Lanczos low-pass that leaves the lowest `scale` of frequencies."""
    reach = int(_LOBES / scale)
    place = torch.arange(-reach, reach + 1, device=like.device, dtype=like.dtype) * scale
    weights = torch.sinc(place) * torch.sinc(place / _LOBES) * (place.abs() < _LOBES)
    return weights / weights.sum()
