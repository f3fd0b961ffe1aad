"""How near pictures are to others."""

from __future__ import annotations

from torch import Tensor


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture [n, ...] in decibels, [n]; truth in 0..1, images clamped to it."""
    error = (images.clamp(0, 1) - truth).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-9).log10()
