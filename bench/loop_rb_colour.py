"""Colour jitter as R-B's loop has it: each stage by itself, saturation and hue each to HSV and back.

The semantics of kornia 0.5.4's ColorJitter, written from its description. Pictures [n, 3, h, w] in 0..1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_FULL_TURN = 2 * math.pi


def brighten(images: Tensor, amount: Tensor) -> Tensor:
    """Adds `amount`, clamps."""
    return torch.clamp(images + amount, 0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies, about black and not about the mean; clamps."""
    return torch.clamp(images * factor, 0, 1)


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies the saturation, clamped to 1."""
    hue, saturation, value = to_hsv(images).chunk(3, dim=1)
    return to_rgb(torch.cat([hue, torch.clamp(saturation * factor, 0, 1), value], dim=1))


def turn(images: Tensor, angle: Tensor) -> Tensor:
    """Turns the hue by `angle` in radians."""
    hue, saturation, value = to_hsv(images).chunk(3, dim=1)
    return to_rgb(torch.cat([torch.fmod(hue + angle + _FULL_TURN, _FULL_TURN), saturation, value], dim=1))


def to_hsv(images: Tensor) -> Tensor:
    """RGB to hue in 0..2 pi, saturation and value."""
    red, green, blue = images.unbind(1)
    value, largest = images.max(dim=1)
    chroma = value - images.min(dim=1).values
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    # sixths of a circle, counted from the largest channel
    sixths = torch.stack([(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4], dim=1)
    hue = torch.gather(sixths, 1, largest[:, None]).squeeze(1)
    hue = torch.remainder(hue / 6, 1) * _FULL_TURN
    return torch.stack([hue, chroma / (value + 1e-6), value], dim=1)


def to_rgb(images: Tensor) -> Tensor:
    """Hue in radians, saturation and value to RGB."""
    hue, saturation, value = images.unbind(1)
    place = hue / _FULL_TURN * 6
    sector = torch.floor(place)
    part = place - sector
    low = value * (1 - saturation)
    falling, rising = value * (1 - part * saturation), value * (1 - (1 - part) * saturation)
    # for each of the six sectors, what red, green and blue are
    sectors = [
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    ]
    index = torch.remainder(sector, 6).long()[:, None]
    return torch.cat(
        [torch.gather(torch.stack(choice, dim=1), 1, index) for choice in zip(*sectors, strict=True)], dim=1
    )
