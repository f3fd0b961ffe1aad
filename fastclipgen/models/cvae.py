"""A conditional variational autoencoder: pictures under attributes and a CLIP embedding. No training, no files.

Kingma & Welling, arXiv 1312.6114; Sohn et al., "Learning Structured Output Representation using Deep Conditional
Generative Models", 2015. The geometry and the names of weights are those of Text2ImageClip, whose files load
(cvae_dialects.py). Pictures are in 0..1 on both sides, whatever the network itself reads and draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.condition import whole
from fastclipgen.models.tiled_conv import TiledConv

Range = Literal["0..1", "-1..1"]
Decoder = Literal["transposed", "upsampled"]


@dataclass(frozen=True)
class Geometry:
    """Everything that decides the network's weights and what their numbers mean.

    side: of the square pictures; latent: length of z; attributes, embedding: lengths of the two parts of a condition,
    either may be 0; channels: of the encoder's maps, each half as wide as the one before, and of the decoder's in
    reverse. decoder: convolutions transposed, or after an enlargement by repetition. reads, draws: the range that
    pictures have for the encoder, and in which the decoder draws (0..1 by a sigmoid, -1..1 by tanh). signed: attributes
    that are absent count as -1 and unknown ones as 0; otherwise both as 0.
    """

    side: int = 64
    latent: int = 128
    attributes: int = 40
    embedding: int = 512
    channels: tuple[int, ...] = (64, 128, 256, 512)
    decoder: Decoder = "transposed"
    reads: Range = "0..1"
    draws: Range = "0..1"
    signed: bool = True

    @property
    def condition(self) -> int:
        """Length of a whole condition, attributes first."""
        return self.attributes + self.embedding

    @property
    def bottom(self) -> int:
        """Side of the smallest map."""
        return self.side >> len(self.channels)

    def check(self) -> None:
        """Raises UserError for a network that cannot be."""
        halvings = len(self.channels)
        if not halvings or min(self.channels) < 1 or self.latent < 1 or min(self.attributes, self.embedding) < 0:
            raise UserError(f"expected channels and a latent of 1 or more, got {self.channels} and {self.latent}")
        if self.side < 4 or self.side % 2**halvings:
            raise UserError(
                f"expected pictures of a side of at least 4 that can be halved {halvings} times, once for each of "
                f"the channels, got {self.side}; use a multiple of {max(4, 2**halvings)}"
            )


ORIGINAL = Geometry(reads="-1..1", signed=False)
"""That of Text2ImageClip at its end: it learned pictures in -1..1 with a decoder that draws 0..1, so what it shows is
its output as it is."""


class ClipCVAE(nn.Module):
    """z is drawn from `latents(w)` of w ~ N(0, 1): prior_mean + prior_factor @ w, which is w unless a training has
    found where the latents of its pictures lie (training.export.whiten)."""

    prior_mean: Tensor
    prior_factor: Tensor

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        geometry.check()
        self.geometry = g = geometry
        flat = g.channels[-1] * g.bottom**2
        first = TiledConv(3, g.condition, g.channels[0], g.side)
        layers: list[nn.Module] = [first, nn.LeakyReLU(0.2)]
        for inside, outside in pairwise(g.channels):
            layers += [nn.Conv2d(inside, outside, 4, 2, 1), nn.BatchNorm2d(outside), nn.LeakyReLU(0.2)]
        self.encoder = nn.Sequential(*layers)
        self.fc_mu = nn.Linear(flat, g.latent)
        self.fc_logvar = nn.Linear(flat, g.latent)
        self.decoder_input = nn.Linear(g.latent + g.condition, flat)
        layers = []
        for inside, outside in pairwise(reversed(g.channels)):
            layers += [_enlarging(g.decoder, inside, outside), nn.BatchNorm2d(outside), nn.ReLU()]
        self.decoder = nn.Sequential(*layers, _enlarging(g.decoder, g.channels[0], 3))
        self.register_buffer("prior_mean", torch.zeros(g.latent))
        self.register_buffer("prior_factor", torch.eye(g.latent))

    def conditions(self, count: int, attributes: Tensor | None = None, embeddings: Tensor | None = None) -> Tensor:
        """`count` whole conditions [count, attributes + embedding] from their parts, a missing part being unknown.

        attributes: [count, A] of 1 (there), 0 (absent), or NaN (not known); embeddings: unit vectors [count, E].
        """
        g = self.geometry
        return whole(g, count, attributes, embeddings, signed=g.signed, device=self.fc_mu.weight.device)

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures [B, 3, side, side] in 0..1 under conditions [B, C] -> mean and log variance of z, float32 [B, D]."""
        x = images * 2 - 1 if self.geometry.reads == "-1..1" else images
        for index, layer in enumerate(self.encoder):
            x = layer(x, condition) if index == 0 else layer(x)
        x = x.flatten(1)
        return self.fc_mu(x).float(), self.fc_logvar(x).float()

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        """Latents [B, D] under conditions [B, C] -> pictures [B, 3, side, side] in 0..1."""
        drawn = self.raw(z, condition).float()
        return drawn.sigmoid() if self.geometry.draws == "0..1" else (drawn.tanh() + 1) / 2

    def raw(self, z: Tensor, condition: Tensor) -> Tensor:
        """What the decoder draws before it is squashed into its range."""
        g, dtype = self.geometry, self.decoder_input.weight.dtype
        x = self.decoder_input(torch.cat([z, condition.to(z.dtype)], 1).to(dtype))
        return self.decoder(x.view(len(z), g.channels[-1], g.bottom, g.bottom))

    def latents(self, w: Tensor) -> Tensor:
        """z [B, D] of whitened latents w [B, D]."""
        return self.prior_mean + w @ self.prior_factor.T

    def whitened(self, z: Tensor) -> Tensor:
        """w [B, D] of latents z [B, D]."""
        return torch.linalg.solve_triangular(self.prior_factor, (z - self.prior_mean).T, upper=False).T.contiguous()


def sample(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = mean + deviation * noise, all [B, D]."""
    return mean + (0.5 * log_variance).exp() * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of each posterior [B, D] from N(0, 1), in nats, [B]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def _enlarging(kind: Decoder, inside: int, outside: int) -> nn.Module:
    """Twice the side: [B, inside, h, w] -> [B, outside, 2h, 2w]."""
    if kind == "transposed":
        return nn.ConvTranspose2d(inside, outside, 4, 2, 1)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inside, outside, 3, padding=1))
