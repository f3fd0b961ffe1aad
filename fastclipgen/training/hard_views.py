"""What makes a guide of a classifier: hard views, junk, and an adversary. Knows nothing of captions or models' insides.

A picture made by ascent is no photograph: it has noise, wrong frequencies, and whatever fools the guide. So the guide
is trained on views as strong as the cutouts, on an adversary's pictures (Madry et al. 2017), and on junk that resembles
a picture without showing what its caption says (RATIO, Augustin et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.data.shapes_render import cameras


def random_cameras(n: int, rng: np.random.Generator) -> np.ndarray:
    """Cameras [n, 2, 3] for a third seeing the whole scene and the rest a crop, a little turned and shifted; not so
    much that a size or a place would get another name."""
    moved = rng.random(n) < 0.67
    zoom = np.where(moved, rng.uniform(0.8, 1.12, n), 1.0)
    turn = np.where(moved, rng.uniform(-0.17, 0.17, n), 0.0)
    shift = np.where(moved[:, None], rng.uniform(-0.06, 0.06, (n, 2)), 0.0)
    return cameras(n, zoom, turn, shift)


def smooth_noise(n: int, channels: int, size: int, cells: int, generator: torch.Generator) -> Tensor:
    """Gaussian noise on a cells x cells grid, enlarged: [n, channels, size, size], about unit deviation."""
    noise = torch.randn(n, channels, cells, cells, generator=generator)
    return F.interpolate(noise, (size, size), mode="bicubic", align_corners=False)


def disturb(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Random light, blur and noise of several frequencies on [n, 3, S, S] in 0..1; not clamped, as cutouts are not."""
    n, size = len(images), images.shape[-1]

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, 1, 1, generator=generator)

    blurred = F.avg_pool2d(F.pad(images, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    disturbed = images.lerp(blurred, draw(-1.0, 1.0, 1).clamp_min(0))
    disturbed = (disturbed - 0.5) * draw(0.8, 1.15, 1) + 0.5 + draw(-0.06, 0.06, 3)
    fine = torch.randn(images.shape, generator=generator) * draw(-0.1, 0.22, 1).clamp_min(0)
    coarse = smooth_noise(n, 3, size, 16, generator) * draw(-0.1, 0.15, 1).clamp_min(0)
    return images.lerp(disturbed + fine + coarse, strength)


def warped(images: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures bent so much that outlines are lost while colours and layout stay."""
    n, size = len(images), images.shape[-1]
    axis = torch.linspace(-1 + 1 / size, 1 - 1 / size, size)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    strength = 0.16 + 0.14 * torch.rand(n, 1, 1, 1, generator=generator)
    bend = smooth_noise(n, 2, size, 6, generator).permute(0, 2, 3, 1) * strength
    return F.grid_sample(images, grid + bend, padding_mode="reflection", align_corners=False)


def shuffled(images: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures cut into 4 x 4 tiles, put together in one random order."""
    n, _, size, _ = images.shape
    side = size // 4
    tiles = images.unfold(2, side, side).unfold(3, side, side).reshape(n, 3, 16, side, side)
    tiles = tiles[:, :, torch.randperm(16, generator=generator)].reshape(n, 3, 4, 4, side, side)
    return tiles.permute(0, 1, 2, 4, 3, 5).reshape(n, 3, size, size)


def adversarial(
    images: Tensor, loss: Callable[[Tensor], Tensor], strength: float, steps: int, generator: torch.Generator
) -> Tensor:
    """Pictures in an L2 ball where `loss` is larger, by a few gradient steps; its radius is up to `strength`."""
    radius = strength * torch.rand(len(images), 1, 1, 1, generator=generator)
    offset = torch.randn(images.shape, generator=generator)
    offset = offset / offset.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * radius * 0.5
    for _ in range(steps):
        offset = offset.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(images + offset), offset)
        with torch.no_grad():
            gradient = gradient / gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            offset = offset + gradient * radius * (1.5 / steps)
            length = offset.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
            offset = offset * (radius / length).clamp_max(1)
    return (images + offset).detach()
