"""Squares made of pictures of any size: the short side to a length and then a crop, as CLIP-GEN trains on them, or the
whole picture squashed.

No flips: a caption may speak of left and right.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CENTRE = (0.5, 0.5)


def square(picture: Tensor, size: int, short_side: int, place: tuple[float, float] = CENTRE) -> Tensor:
    """float32 [3, H, W] in 0..1 -> uint8 [3, size, size].

    What the square of `size` pixels shows where the picture's short side has `short_side` pixels; place: where it lies
    of where it could lie, down and right in 0..1. It is cut out in whole pixels of the picture first, and then resized
    (bilinear, antialiased), so a thin strip takes no more memory than it has.
    """
    height, width = picture.shape[-2:]
    side = max(1, round(min(height, width) * size / short_side))
    top, left = (round(where * (length - side)) for where, length in zip(place, (height, width), strict=True))
    cut = picture[:, top : top + side, left : left + side]
    return _resized(cut, size)


def squashed(picture: Tensor, size: int) -> Tensor:
    """float32 [3, H, W] in 0..1 -> uint8 [3, size, size]: all of the picture, whatever becomes of its proportions."""
    return _resized(picture, size)


def _resized(picture: Tensor, size: int) -> Tensor:
    if picture.shape[-2:] != (size, size):
        picture = F.interpolate(picture[None], (size, size), mode="bilinear", antialias=True, align_corners=False)[0]
    return (picture * 255).round().clamp(0, 255).to(torch.uint8)
