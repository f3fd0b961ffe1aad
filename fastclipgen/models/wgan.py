"""A conditional Wasserstein GAN: a generator of pictures and its critic, as DCGAN has them. No training, no files.

Arjovsky et al., arXiv 1701.07875, with the gradient penalty of Gulrajani et al., arXiv 1704.00028, for whose sake the
critic normalises no batch. The widths are those of Text2ImageClip's conditional one, whose generator loads
(wgan_dialects.py). A condition is attributes, each -1 (absent), 1 (there) or 0 (not known), and behind them a unit
vector, the CLIP embedding of a text, or zeros; either part may be missing. Pictures are in -1..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.condition import whole

BOTTOM = 4  # side of the smallest map
SPREAD = 0.02  # standard deviation of what weights begin as, in DCGAN
SLOPE = 0.2


@dataclass(frozen=True)
class Geometry:
    """side: of the square pictures, 4 times a power of two; latent: length of z; attributes, embedding: lengths of the
    two parts of a condition; channels: of the generator's last map, each before it being twice as wide;
    critic_channels: of the critic's first map, each after it being twice as wide."""

    side: int = 64
    latent: int = 100
    attributes: int = 40
    embedding: int = 0
    channels: int = 128
    critic_channels: int = 64

    @property
    def condition(self) -> int:
        """Length of a whole condition, attributes first."""
        return self.attributes + self.embedding

    @property
    def levels(self) -> int:
        """How often the side doubles from the smallest map to the picture."""
        return (self.side // BOTTOM).bit_length() - 1

    def check(self) -> None:
        """Raises UserError for networks that cannot be."""
        if self.side < 2 * BOTTOM or self.side != BOTTOM << self.levels:
            raise UserError(f"expected pictures of a side of 8, 16, 32, 64, 128 ..., got {self.side}")
        if min(self.latent, self.channels, self.critic_channels) < 1 or min(self.attributes, self.embedding) < 0:
            raise UserError(
                "expected a latent and channels of 1 or more for generator and critic, got "
                f"{self.latent}, {self.channels} and {self.critic_channels}"
            )


ORIGINAL = Geometry()
"""That of Text2ImageClip's WGAN-GP2."""


class Generator(nn.Module):
    """Latents [B, D] ~ N(0, 1) under conditions [B, C] -> pictures [B, 3, side, side] in -1..1."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        geometry.check()
        self.geometry = g = geometry
        widths = [g.latent + g.condition, *(g.channels << level for level in reversed(range(g.levels)))]
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            first = not layers
            layers += [
                nn.ConvTranspose2d(inside, outside, 4, 1 if first else 2, 0 if first else 1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(g.channels, 3, 4, 2, 1), nn.Tanh())
        _begin(self)

    def conditions(self, count: int, attributes: Tensor | None = None, embeddings: Tensor | None = None) -> Tensor:
        """Whole conditions [count, C] from their parts, as models.condition.whole has them."""
        device = next(self.parameters()).device
        return whole(self.geometry, count, attributes, embeddings, device=device)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        g = self.geometry
        # the numbers of a unit vector of length E are about 1/sqrt(E) large, those of z and of attributes about 1
        embedding = condition[:, g.attributes :] * math.sqrt(max(1, g.embedding))
        x = torch.cat([z, condition[:, : g.attributes], embedding], 1)
        return self.layers(x.to(self.layers[0].weight.dtype)[:, :, None, None])  # pyright: ignore[reportCallIssue, reportArgumentType]


class Critic(nn.Module):
    """Pictures [B, 3, side, side] in -1..1 and their conditions [B, C] -> how real they look, [B], without bounds.

    Attributes are planes beside the picture (AttributedConv), an embedding is compared with the last map: Miyato &
    Koyama, "cGANs with Projection Discriminator", arXiv 1802.05637.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        geometry.check()
        self.geometry = g = geometry
        widths = [g.critic_channels << level for level in range(g.levels)]
        self.first = AttributedConv(3, g.attributes, widths[0], g.side)
        layers: list[nn.Module] = [nn.LeakyReLU(SLOPE)]
        for inside, outside in pairwise(widths):
            layers += [
                nn.Conv2d(inside, outside, 4, 2, 1, bias=False),
                nn.InstanceNorm2d(outside, affine=True),
                nn.LeakyReLU(SLOPE),
            ]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(widths[-1], 1, BOTTOM)
        self.project = nn.Linear(g.embedding, widths[-1], bias=False) if g.embedding else None
        _begin(self)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        attributes, embedding = condition.split([self.geometry.attributes, self.geometry.embedding], 1)
        x = self.layers(self.first(images, attributes))  # [B, C, 4, 4]
        score = self.last(x).flatten()
        if self.project is not None:
            score = score + (self.project(embedding) * x.mean((2, 3))).sum(1) * math.sqrt(self.geometry.embedding)
        return score


class AttributedConv(nn.Conv2d):
    """The critic's first convolution (kernel 4, stride 2, padding 1), over a picture and a learned plane for every
    attribute, without making the planes of a batch.

    Each attribute has a plane for when it is absent and one for when it is there, rows 2a and 2a + 1 of `planes`; one
    that is not known has the mean of the two. A convolution is linear: that of each plane is computed once, and a
    picture's share of them added to its map by one small matrix product. Equal to the convolution over colours + A
    channels, whose weights these are, up to rounding.
    """

    def __init__(self, colours: int, attributes: int, outside: int, side: int) -> None:
        super().__init__(colours + attributes, outside, 4, 2, 1)
        self.colours, self.attributes, self.side = colours, attributes, side
        self.planes = nn.Embedding(2 * attributes, side * side) if attributes else None

    def forward(self, images: Tensor, attributes: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Pictures [B, colours, S, S], attributes [B, A] in -1..1 -> [B, outside, S/2, S/2]."""
        drawn = F.conv2d(images, self.weight[:, : self.colours], self.bias, 2, 1)
        if self.planes is None:
            return drawn
        both = self.planes.weight.view(self.attributes, 2, self.side, self.side)
        weight = self.weight[:, self.colours :]  # [O, A, 4, 4]
        mean = F.conv2d(both.mean(1)[None], weight, None, 2, 1)  # [1, O, h, w]
        half = (both[:, 1] - both[:, 0])[None] / 2  # is added where it is there, else taken
        own = F.conv2d(half, weight.transpose(0, 1).reshape(-1, 1, 4, 4), None, 2, 1, groups=self.attributes)
        shares = attributes.to(own.dtype) @ own.view(self.attributes, -1)  # [B, O*h*w]
        return drawn + mean + shares.view_as(drawn)


def _begin(network: nn.Module) -> None:
    """Weights of N(0, 0.02), of norms N(1, 0.02), biases 0: DCGAN, Radford et al., arXiv 1511.06434."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0.0, SPREAD)
        elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)):
            nn.init.normal_(module.weight, 1.0, SPREAD)
        if isinstance(bias := getattr(module, "bias", None), nn.Parameter):
            nn.init.zeros_(bias)
