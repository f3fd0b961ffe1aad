"""Pictures in the middle of their ascent, kept from step to step: what the guide must not be content with.

Ascent under a guide ends in pictures that it rates above every true one. So some ascents run along with the training,
each towards the caption of a scene: one of bare pixels and one of the VAE's latents. A few steps at a visit, under the
weights of the moment, and the CLIP learns to tell what they have become from a rendering of that scene. It is the
replay buffer of energy-based models (Du & Mordatch 2019, arXiv 1903.08689; Grathwohl et al. 2020, arXiv 1912.03263).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.models.layered_vae import LATENT
from fastclipgen.training.hard_views import disturb, smooth_noise
from fastclipgen.training.near_misses import Painter

KEPT = 256  # ascents under way
STEPS = 4  # of ascent at a visit
VISITS = 14  # on average, before an ascent begins anew


class Climbing(NamedTuple):
    """The ascents of one training step."""

    rows: Tensor  # int64 [q], their numbers
    begin: Tensor  # bool [q], which of them begin
    owners: Tensor  # int64 [q], where in the batch the scene of each is


class Ascents(nn.Module):
    """The state is in buffers, so that checkpoints carry it and a resumed training goes on exactly."""

    scene: Tensor  # int64 [KEPT], the scene of the data set whose caption is climbed to; -1: not begun
    pixels: Tensor  # [KEPT, 3, S, S] in 0..1
    latents: Tensor  # [KEPT, LATENT], whitened

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("scene", torch.full((KEPT,), -1))
        self.register_buffer("pixels", torch.zeros(KEPT, 3, size, size))
        self.register_buffer("latents", torch.zeros(KEPT, LATENT))

    def visit(self, step: int, count: int, scenes: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Whose turn it is at a training step: int64 [count] (up to KEPT), and bool [count] which of them begin. Those
        get a new scene each, from the front of `scenes` (indices of the data set)."""
        rows = (step * count + torch.arange(count)) % KEPT
        begin = torch.from_numpy(rng.random(count) < 1 / VISITS) | (self.scene[rows] < 0)
        self.scene[rows[begin]] = torch.from_numpy(scenes[: int(begin.sum())])
        return rows, begin

    def begin(self, rows: Tensor, latents: Tensor, generator: torch.Generator) -> None:
        """Start again at grey or a plain colour under noise, and at the given latents [len(rows), LATENT]."""
        n, size = len(rows), self.pixels.shape[-1]
        shade = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.6, 0.5, 1.0)
        plain = torch.where(shade < 1, shade, torch.rand(n, 3, 1, 1, generator=generator))
        loud = 0.25 * torch.rand(n, 1, 1, 1, generator=generator)
        noise = loud * torch.randn(n, 3, size, size, generator=generator)
        cells = 2 ** int(torch.randint(1, 5, (), generator=generator))
        rough = torch.rand(n, 1, 1, 1, generator=generator) * 0.3
        self.pixels[rows] = (plain + noise + rough * smooth_noise(n, 3, size, cells, generator)).clamp(0, 1)
        self.latents[rows] = latents

    def climb(
        self,
        rows: Tensor,
        target: Tensor,
        painter: Painter,
        embed: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> None:
        """A few steps of ascent on the cosine with target [len(rows), E] (unit length), for pixels and latents alike.

        The directions have a length of their own for each ascent, and the pixels' are smoothed by 1/f^a with a of each
        ascent, for the generators that move pixels differ in just that.
        """
        n = len(rows)
        pixels, latents = self.pixels[rows], self.latents[rows]
        slope = 1.6 * torch.rand(n, 1, 1, 1, generator=generator)
        pace = 0.7 + 3.5 * torch.rand(n, 1, 1, 1, generator=generator)
        stride = 0.15 + 0.9 * torch.rand(n, 1, generator=generator)
        for _ in range(STEPS):
            with torch.enable_grad():
                pixels.requires_grad_()
                latents.requires_grad_()
                views = look(torch.cat([pixels, painter.draw(latents)]), generator)
                cosine = (F.normalize(embed(views), dim=1) * target.repeat(2, 1)).sum()
                to_pixels, to_latents = torch.autograd.grad(cosine, [pixels, latents])
            with torch.no_grad():
                pixels = (pixels + pace * unit(smoothed(to_pixels, slope))).clamp(0, 1)
                latents = painter.shorten(latents + stride * unit(to_latents))
        self.pixels[rows], self.latents[rows] = pixels.detach(), latents.detach()


def look(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random view of each picture [n, 3, S, S]: much of it or a little more than it, lightly disturbed."""
    n = len(images)
    scale = 0.75 + 0.35 * torch.rand(n, generator=generator)
    shift = (torch.rand(n, 2, generator=generator) - 0.5) * 0.3
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    theta[:, :, 2] = shift * (1.1 - scale)[:, None].clamp_min(0.1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return disturb(seen, generator, 0.4)


def smoothed(gradient: Tensor, slope: Tensor) -> Tensor:
    """[n, 3, S, S] with its spectrum divided by f^slope, slope [n, 1, 1, 1]; f is 1 for one wave over the picture."""
    size = gradient.shape[-1]
    f = torch.hypot(torch.fft.fftfreq(size, 1 / size)[:, None], torch.fft.rfftfreq(size, 1 / size)[None])
    return torch.fft.irfft2(torch.fft.rfft2(gradient) / f.clamp_min(1.0) ** slope, s=(size, size))


def unit(direction: Tensor) -> Tensor:
    """Each [n, ...] at length 1."""
    length = direction.flatten(1).norm(dim=1).clamp_min(1e-12)
    return direction / length.view(-1, *[1] * (direction.ndim - 1))
