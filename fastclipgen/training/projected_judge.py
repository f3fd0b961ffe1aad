"""A discriminator that sees pictures as a frozen CLIP's layers do.

Sauer et al., "Projected GANs Converge Faster", arXiv 2111.01007: small discriminators over the features of a pretrained
network at several depths, each behind a fixed random projection, so that none can lean on the few channels that tell
true from drawn at once. Here of CLIPs that are ResNets; features are not mixed between depths.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fastclipgen.errors import UserError
from fastclipgen.guidance.targets import resized
from fastclipgen.perceptors.base import FrozenPerceptor

LAYERS = ("layer1", "layer2", "layer3", "layer4")  # as open_clip names those of its ResNets
MOST = 128  # channels behind a projection
SMALLEST = 4  # side of a map that is not made smaller any more


class ProjectedJudge(nn.Module):
    """Pictures [n, 3, S, S] in -1..1 -> logits [n, k] for each of LAYERS; positive: taken for true.

    eye: is neither trained nor part of the state. Raises UserError for a CLIP of another kind.
    """

    def __init__(self, eye: FrozenPerceptor) -> None:
        super().__init__()
        visual = getattr(eye.module, "visual", None)
        if not all(isinstance(getattr(visual, name, None), nn.Module) for name in LAYERS):
            raise UserError(
                f"a projected judge looks at the layers of a ResNet, and the CLIP '{eye.name}' is none; take 'builtin' "
                "or an RN50"
            )
        self._eye = (eye,)  # in a tuple it is no submodule
        with torch.no_grad():
            seen = self._features(torch.zeros(1, 3, eye.image_size, eye.image_size, device=eye.device))
        self.projections, self.heads = nn.ModuleList(), nn.ModuleList()
        for features in seen:
            channels, side = features.shape[1], features.shape[2]
            width = min(channels, MOST)
            projection = nn.Conv2d(channels, width, 1, bias=False)
            nn.init.normal_(projection.weight, 0, channels**-0.5)
            self.projections.append(projection.requires_grad_(False))
            self.heads.append(_head(width, side))

    def _features(self, pictures: Tensor) -> list[Tensor]:
        """What each layer makes of pictures in -1..1."""
        (eye,) = self._eye
        mean, std = (torch.tensor(three, device=pictures.device).view(3, 1, 1) for three in (eye.mean, eye.std))
        x = ((resized((pictures + 1) / 2, eye.image_size) - mean) / std).to(eye.dtype)
        visual: Any = eye.module.visual
        found, x = [], visual.stem(x)
        for name in LAYERS:
            x = getattr(visual, name)(x)
            found.append(x)
        return found

    def forward(self, pictures: Tensor) -> list[Tensor]:
        features = self._features(pictures)
        return [
            head(projection(x)).flatten(1)
            for x, projection, head in zip(features, self.projections, self.heads, strict=True)
        ]


def _head(width: int, side: int) -> nn.Sequential:
    """Maps of this width and side -> logits of SMALLEST x SMALLEST places; of the 3 x 3 corners of a map of 2 x 2."""
    layers: list[nn.Module] = []
    while side > SMALLEST:
        layers += [spectral_norm(nn.Conv2d(width, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
        side //= 2
    layers += [spectral_norm(nn.Conv2d(width, width, min(3, side), 1, min(3, side) // 2)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(width, 1, 1)))
