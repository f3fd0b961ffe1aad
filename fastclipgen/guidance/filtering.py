"""Filters of frames that transforms and constraints share: a Gaussian blur and a painted border.

All numbers are tensors, one for each picture or each frame, and may change at every step without compiling again.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SHARPEST = 1e-4  # pixels: the least deviation, so that 0 is a kernel of one pixel instead of 0 / 0


def gaussian_blur(frames: Tensor, kernel_size: Tensor, sigma: Tensor | None = None) -> Tensor:
    """A separable Gaussian over a window of whole pixels, as torchvision's.

    frames: [B, N, C, H, W]. kernel_size: (x, y) in pixels, [B or 1, N or 1, 2]; an even number counts as the next odd
    one, below 1 as 1, which leaves the picture as it is. sigma: the deviations (x, y) in pixels, of the same shape; at
    least 1e-4, None for 0.3 * ((kernel_size - 1) / 2 - 1) + 0.8.

    The picture goes on mirrored at its edges, without repeating the edge. A window can see each pixel twice at most,
    so along a side of n pixels more than 2 * n - 1 counts as that (torchvision refuses it).

    Each direction is one product with a matrix [side, side] whose bands are the window: its size can change at every
    step, a wide window costs no more than a narrow one, and up to some 1,000 pixels even 3 x 3 is not slower than a
    convolution in float32 (half the time at 224 and 512 pixels on a CPU).
    """
    across = _window(frames, 4, kernel_size[..., 0], None if sigma is None else sigma[..., 0])
    down = _window(frames, 3, kernel_size[..., 1], None if sigma is None else sigma[..., 1])
    return down @ (frames @ across.mT)


def _window(frames: Tensor, dim: int, kernel_size: Tensor, sigma: Tensor | None) -> Tensor:
    """What each pixel along a side takes of each: [B or 1, N or 1, 1, side, side], rows adding up to 1."""
    side = frames.shape[dim]
    reach = torch.floor(kernel_size / 2).clamp(0, side - 1)[..., None, None, None]
    deviation = 0.3 * (reach - 1) + 0.8 if sigma is None else sigma[..., None, None, None].clamp_min(_SHARPEST)
    place = torch.arange(side, device=frames.device)
    to, of = place[:, None], place

    def weights(distance: Tensor, seen: Tensor | bool) -> Tensor:
        inside = (distance.abs() <= reach) & seen
        return torch.where(inside, torch.exp(-0.5 * (distance / deviation).square()), 0.0)

    # A pixel at the edge is its own mirror image, so it is not seen there a second time.
    mirrored = weights(to + of, of > 0) + weights(2 * (side - 1) - to - of, of < side - 1)
    window = weights(to - of, True) + mirrored
    return (window / window.sum(-1, keepdim=True)).to(frames.dtype)


def painted_border(frames: Tensor, size: Tensor, colour: Tensor) -> Tensor:
    """The frames [B, N, 3, H, W] with size[..., 0] columns at the left and right and size[..., 1] rows at the top and
    bottom in one colour; size [B or 1, N or 1, 2] in pixels, colour [B or 1, N or 1, 3]."""
    height, width = frames.shape[3:]
    columns, rows = (part[..., None, None, None] for part in size.unbind(-1))
    x, y = torch.arange(width, device=frames.device), torch.arange(height, device=frames.device)[:, None]
    border = (torch.minimum(x, width - 1 - x) < columns) | (torch.minimum(y, height - 1 - y) < rows)
    return torch.where(border, colour[..., None, None].to(frames.dtype), frames)
