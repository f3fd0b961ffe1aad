"""Colour jitter on pictures in 0..1, per picture, differentiable everywhere. It knows nothing of how factors are drawn.

The semantics are those of kornia 0.5.4's ColorJitter (ColorJiggle since), which VQGAN+CLIP users ran, but always in the
order brightness, contrast, saturation, hue instead of a random order for each batch. Saturation and hue work in HSV;
both are written on v = max and c = max - min, so greys (c = 0) and saturated corners have finite gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GREY = 1e-6  # below this chroma the hue of a pixel is rounding noise: it is left alone


def colour_jitter(images: Tensor, factors: Tensor) -> Tensor:
    """All four stages. images [M, 3, h, w] in 0..1; factors [M, 4]: brightness, contrast, saturation, hue in turns.

    Returns [M, 3, h, w] in 0..1.
    """
    images = brightness_contrast(images, factors[:, 0], factors[:, 1])
    return turn_hue(scale_saturation(images, factors[:, 2]), factors[:, 3])


def to_unit_range(images: Tensor) -> Tensor:
    """Clamps to 0..1. Pixels of exactly 0 or 1 keep their gradient, which torch.clamp drops in newer versions."""
    return torch.where(images < 0.0, 0.0, torch.where(images > 1.0, 1.0, images))


def brightness_contrast(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Adds brightness - 1, clamps, multiplies by contrast (about black, not about the mean), clamps; factors [M]."""
    brighter = to_unit_range(images + (brightness[:, None, None, None] - 1.0))
    return to_unit_range(brighter * contrast[:, None, None, None])


def scale_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplies the HSV saturation by factor [M] (0 or more), at most to 1; hue and value stay.

    With S = c / v this is rgb -> v - k * (v - rgb), k = factor or, where that would pass S = 1, k = v / c.
    """
    factor = factor[:, None, None, None]
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    over = factor * chroma > value
    limit = value / torch.where(over, chroma, 1.0)
    return value - torch.where(over, limit, factor) * (value - images)


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Adds turns [M] (1 is the full circle) to the HSV hue; saturation and value stay, greys stay greys.

    Pictures with 0 turns pass through untouched.
    """
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    coloured = chroma > _GREY
    safe = torch.where(coloured, chroma, 1.0)
    # The hue in sixths of a circle, from the sector of the largest channel.
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0),
    )
    turns = turns[:, None, None]
    hue = hue + 6.0 * turns
    offsets = torch.arange(5, 0, -2, device=images.device, dtype=images.dtype)[:, None, None]  # 5, 3, 1 for r, g, b
    place = torch.remainder(hue[:, None] + offsets, 6.0)  # [M, 3, h, w]
    weight = torch.minimum(place, 4.0 - place).clamp(0.0, 1.0)
    turned = value[:, None] - chroma[:, None] * weight
    return torch.where((coloured & (turns != 0))[:, None], turned, images)
