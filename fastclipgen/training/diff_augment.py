"""DiffAugment: pictures changed at random before a discriminator sees them, true and drawn ones alike.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", arXiv 2006.10738. Gradients pass, so that
the generator learns through the changes and does not learn to draw them. A pure function: the draws are given.
"""

from __future__ import annotations

import torch
from torch import Tensor

POLICIES = ("color", "translation", "cutout")
NUMBERS = 7  # for each picture
SHIFT = 1 / 8  # of the side, at most
HOLE = 1 / 2  # of the side


def diff_augment(images: Tensor, policy: tuple[str, ...], draws: Tensor) -> Tensor:
    """Pictures [B, 3, S, S] in about -1..1 changed by the parts of POLICIES that `policy` names, in that order.

    draws: uniform [B, 7] in 0..1; a picture depends on its own row alone, and pictures of two sizes with the same row
    are changed alike. color: brightness by -0.5..0.5, saturation times 0..2, contrast times 0.5..1.5. translation: by
    up to 1/8 of the side, zeros coming in. cutout: a square of half the side becomes 0; its centre lies anywhere.
    """
    x = images
    if "color" in policy:
        x = _colour(x, *draws[:, :3, None, None].unbind(1))
    if "translation" in policy:
        for dim, draw in ((2, draws[:, 3]), (3, draws[:, 4])):
            x = _shifted(x, draw, dim)
    if "cutout" in policy:
        x = x * (1 - _inside(x, draws[:, 5])[:, None, :, None] * _inside(x, draws[:, 6])[:, None, None, :])
    return x


def _colour(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Each number [B, 1, 1], uniform."""
    x = x + (brightness - 0.5)[:, None]
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (2 * saturation)[:, None]
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (0.5 + contrast)[:, None]


def _shifted(x: Tensor, draw: Tensor, dim: int) -> Tensor:
    """Moved along one dimension by a whole number of pixels, with zeros where nothing was."""
    side = x.shape[dim]
    reach = int(side * SHIFT + 0.5)
    offset = (draw * (2 * reach + 1)).floor().long().clamp_max(2 * reach) - reach  # [B]
    source = torch.arange(side, device=x.device) - offset[:, None]  # [B, S]
    there = (source >= 0) & (source < side)
    shape = (len(x), 1, side, 1) if dim == 2 else (len(x), 1, 1, side)
    moved = torch.take_along_dim(x, source.clamp(0, side - 1).view(shape), dim)
    return moved * there.view(shape).to(x.dtype)


def _inside(x: Tensor, draw: Tensor) -> Tensor:
    """Which rows (or columns) of a square picture the hole covers, [B, S] of 0 and 1."""
    side = x.shape[-1]
    hole = int(side * HOLE + 0.5)
    centre = (draw * side).floor()[:, None]
    distance = torch.arange(side, device=x.device) - centre + hole // 2
    return ((distance >= 0) & (distance < hole)).to(x.dtype)
