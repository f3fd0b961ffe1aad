"""The loop of clipping-CLIP-to-GAN (test.py, January 2021): one latent at a time, everything left as it is loaded.

Its network stays in training mode under spectral norm, which is worked out anew at every call; gradients are taken of
all weights, of the network's and of CLIP's, and the text is encoded at every step. Written from a description.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from fastclipgen.generators.gan import Gan
from fastclipgen.models.fastgan import FastGAN

from .subject import Subject


class PublishedLoop:
    """Picture number `picture` of a subject of generator gan, alone, in float32."""

    batch = 1

    def __init__(self, subject: Subject, picture: int = 0) -> None:
        generator = subject.recipe.generator
        assert isinstance(generator, Gan)
        assert isinstance(generator.network, FastGAN), "a FastGAN's latents are moved"
        self.network = trained(generator.network)
        self.eye = copy.deepcopy(subject.recipe.guides[0].perceptor).requires_grad_(True)
        self.text = subject.job.pictures[picture].prompt
        start = generator.init(subject.rows(picture + 1).seeds[-1:])["z"]
        self.z = nn.Parameter(start.clone())
        self.optimizer = torch.optim.SGD([self.z], lr=0.1, weight_decay=1e-5)

    def advance(self, steps: int) -> None:
        size = self.eye.image_size
        for _ in range(steps):
            image = self.network(self.z, self.network.noise(torch.randint(2**62, (1,), device=self.z.device)))
            seen = self.eye.encode_image(F.interpolate(image, (size, size), mode="bilinear"))
            text = self._text().to(seen)
            self.optimizer.zero_grad()
            loss = -1000 * torch.cosine_similarity(text, seen).mean()
            loss.backward()
            self.optimizer.step()

    def _text(self) -> Tensor:
        return self.eye.encode_text([self.text])


def trained(network: FastGAN) -> FastGAN:
    """A copy as the program of its time loads it: to be trained, its weights under spectral norm."""
    found = copy.deepcopy(network).float().requires_grad_(True).train()
    for layer in list(found.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            spectral_norm(layer)
    return found
