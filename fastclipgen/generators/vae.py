"""The built-in learned prior: latents of the tiny layered VAE, which draws scenes of the shapes world at any size.

The parameters are whitened latents w [B, 64]: the VAE's latent is mean + factor @ w, with the mean and the Cholesky
factor of the latents of pictures it was trained on, so that w of random pictures is standard normal. Their norm is kept
near that of random ones.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from fastclipgen.assets import asset
from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad, shortened
from fastclipgen.models.layered_vae import LATENT, SIDE, LayeredVAE
from fastclipgen.ops.philox import Stream, normals

WEIGHTS = "shapes_vae.safetensors"


class Vae(Generator):
    """norm: largest length of a whitened latent, in units of sqrt(64), the length of random ones."""

    prior_mean: Tensor
    prior_factor: Tensor

    name = "vae"
    default_optimizer = "adam"
    default_lr = 0.05
    default_views_preset = "gentle"
    latent = "w"

    def __init__(self, height: int, width: int, norm: float = 1.1) -> None:
        super().__init__(height, width)
        check_number(self.name, "norm", norm, 0.1, 10.0)
        self.norm = norm
        tensors = {key: value.float() for key, value in load_file(asset(WEIGHTS)).items()}
        self.register_buffer("prior_mean", tensors.pop("prior_mean"))  # [64]
        self.register_buffer("prior_factor", tensors.pop("prior_factor"))  # [64, 64]
        self.vae = LayeredVAE()
        self.vae.load_state_dict(tensors)
        self.eval().requires_grad_(False)

    def latents(self, params: Params) -> Tensor:
        """The VAE's latents [B, 64]."""
        return self.prior_mean + params["w"] @ self.prior_factor.T

    def init(self, seeds: Tensor) -> Params:
        """Random latents of the prior."""
        return {"w": normals(seeds, 0, Stream.INIT, LATENT)[:, 0]}

    def init_from(self, images: Tensor) -> Params:
        """The latents the VAE's encoder gives; what it cannot draw is lost."""
        self.check_images(images)
        small = F.interpolate(images, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
        mean, _ = self.vae.encoder(small)
        whitened = torch.linalg.solve_triangular(self.prior_factor, (mean - self.prior_mean).T, upper=False).T
        return {"w": whitened.contiguous()}

    def forward(self, params: Params) -> Tensor:
        return clamp_with_grad(self.vae.decoder(self.latents(params), self.height, self.width))

    def preview(self, params: Params) -> Tensor:
        """At 64 pixels, the size it was trained at."""
        return self.vae.decoder(self.latents(params)).clamp(0, 1)

    def project(self, params: Params) -> Params:
        """Latents longer than `norm` allows are shortened to it."""
        return {"w": shortened(params["w"], self.norm * math.sqrt(LATENT))}
