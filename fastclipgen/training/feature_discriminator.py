"""Tells pictures from copies of them and from drawn ones, and lends the features by which copies are compared.

As in the VAE/GAN of Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", arXiv 1512.09300,
with the layers of Text2ImageClip's. Nothing in it is normalised over a batch, so that pictures, copies and drawn ones
can be shown together.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from fastclipgen.errors import UserError

SHRINKS = 8  # by three convolutions of stride 2


class FeatureDiscriminator(nn.Module):
    """Pictures [B, 3, side, side] in 0..1 under conditions [B, C] -> logits [B], high for pictures, and features
    [B, 8 * channels, side/8, side/8].

    channels: of the first map (32 in the original; then 4 and 8 times that, 16 times in the layer before the logit). A
    condition is compared with that layer: Miyato & Koyama, arXiv 1802.05637. Raises UserError for a side that is not a
    multiple of 8.
    """

    def __init__(self, side: int, condition: int, channels: int = 32) -> None:
        super().__init__()
        if side < SHRINKS or side % SHRINKS:
            raise UserError(f"expected a --size of a multiple of {SHRINKS} for the discriminator, got {side}")
        layers: list[nn.Module] = []
        for inside, outside in pairwise((3, channels, 4 * channels, 8 * channels)):
            layers += [nn.Conv2d(inside, outside, 5, 2, 2), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        hidden = nn.Linear(8 * channels * (side // SHRINKS) ** 2, 16 * channels)
        self.hidden = nn.Sequential(nn.Flatten(), hidden, nn.LeakyReLU(0.2))
        self.logit = nn.Linear(16 * channels, 1)
        self.project = nn.Linear(condition, 16 * channels, bias=False) if condition else None

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(2 * images - 1)
        hidden = self.hidden(features)
        logit = self.logit(hidden)[:, 0]
        if self.project is not None:
            logit = logit + (self.project(condition) * hidden).sum(1)
        return logit, features
