"""Tells patches of pictures from patches of their copies: the discriminator of taming-transformers and clip-gen.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", arXiv 1611.07004: convolutions of
stride 2, then one logit a patch.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from fastclipgen.training import processes


class BatchNorm(nn.BatchNorm2d):
    """Normalises by the pictures of all processes, so that their number changes no result."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or processes.count() == 1:
            return super().forward(input)
        wide = input.float()
        moments = processes.mean(torch.stack([wide.mean((0, 2, 3)), wide.square().mean((0, 2, 3))]))
        mean, variance = moments[0], (moments[1] - moments[0].square()).clamp_min(0)
        with torch.no_grad():
            number = input.numel() // input.shape[1] * processes.count()
            momentum = cast(float, self.momentum)
            cast(Tensor, self.running_mean).lerp_(mean, momentum)
            cast(Tensor, self.running_var).lerp_(variance * number / (number - 1), momentum)
            cast(Tensor, self.num_batches_tracked).add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (wide * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]).to(input.dtype)


class PatchDiscriminator(nn.Module):
    """Pictures [B, 3, H, W] in -1..1 -> logits [B, 1, h, w], high for pictures; h is about H / 2**layers - 2.

    channels: of the first layer (64), doubled by each of `layers` (3) up to 8 times that. It begins as DCGAN.
    """

    def __init__(self, channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [channels * min(2**k, 8) for k in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for k, (inside, outside) in enumerate(pairwise(widths)):
            stride = 2 if k < layers - 1 else 1
            parts += [
                nn.Conv2d(inside, outside, 4, stride=stride, padding=1, bias=False),
                BatchNorm(outside),
                nn.LeakyReLU(0.2),
            ]
        self.main = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))
        begin_as_dcgan(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.main(images)


def begin_as_dcgan(network: nn.Module) -> None:
    """Random weights as in DCGAN (Radford et al., arXiv 1511.06434): N(0, 0.02), of the norms N(1, 0.02). Biases of
    convolutions stay as torch made them."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
