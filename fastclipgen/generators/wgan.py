"""Latents of a conditional WGAN under a prompt, which has no encoder: a start picture is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.generators.base import Params, check_number
from fastclipgen.generators.conditioned import Conditioned, Trained, attribute_row
from fastclipgen.generators.fit import fit
from fastclipgen.models import wgan
from fastclipgen.models.wgan_dialects import about, build
from fastclipgen.weights.checkpoint import Advice, read_metadata, read_tensors
from fastclipgen.weights.names import file_of

_ADVICE = Advice(nothing="give a file of fastclipgen train wgan-gp")
CANDIDATES = 16  # random latents of which the nearest is where a fit begins


class Wgan(Conditioned):
    """{"w": [B, D]}, the latents, standard normal for random pictures.

    norm: largest length of a latent, in units of sqrt(D), the length of random ones. attributes: names of what is
    there, and with a minus before them of what is not; of the others nothing is told. free_condition: steps move the
    condition too. guidance: how far the pictures go from those without a condition to those with it and on (1: with
    it). fit_steps, fit_lr: of the fit to a start picture, for there is no encoder. The model draws squares of its own
    size; others are those, resized.
    """

    name = "wgan"
    weights = "wgan"

    def __init__(
        self,
        height: int,
        width: int,
        model: Trained[wgan.Generator],
        norm: float = 1.1,
        attributes: Sequence[str] | None = None,
        free_condition: bool = False,
        guidance: float = 1.0,
        fit_steps: int = 200,
        fit_lr: float = 0.05,
    ) -> None:
        network, geometry = model.network, model.network.geometry
        given = attribute_row(attributes or (), model.about.attributes)
        told = network.conditions(1, given if geometry.attributes else None)
        super().__init__(
            height, width, dimensions=geometry.latent, told=told, embedding=geometry.embedding,
            clip=model.about.clip, norm=norm, free_condition=free_condition, guidance=guidance,
        )  # fmt: skip
        check_number(self.name, "fit_steps", fit_steps, 0)
        check_number(self.name, "fit_lr", fit_lr, 0.0)
        self.model, self.fit_steps, self.fit_lr = network, fit_steps, fit_lr

    @classmethod
    def check_weights(cls, text: str) -> None:
        file_of(text, "wgan")

    @classmethod
    def clip_of(cls, text: str) -> str:
        return cls.load_weights(text).about.clip

    @classmethod
    def load_weights(cls, text: str) -> Trained[wgan.Generator]:
        """The generator of `PATH`: a file of `fastclipgen train wgan-gp`, or a checkpoint of Text2ImageClip's WGAN-GP2.
        Raises UserError."""
        file = file_of(text, "wgan")
        tensors = read_tensors(file, "the WGAN", _ADVICE)
        found = about(tensors, read_metadata(file), f"'{file}'")
        return Trained(build(tensors, found, f"'{file}'"), found)

    def draw_in(self, dtype: torch.dtype) -> None:
        self.model.to(dtype)

    def drawn(self, w: Tensor, condition: Tensor) -> Tensor:
        return (self.model(w, condition).float() + 1) / 2

    def init_from(self, images: Tensor) -> Params:
        """The latents of a fit by Adam under the attributes alone, from the nearest of a few random ones."""
        self.check_images(images)
        side = self.model.geometry.side
        small = F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        with torch.no_grad():
            w = self.init(torch.arange(CANDIDATES, device=images.device))["w"]
            drawn = self.preview({"w": w})
            errors = (drawn[:, None] - small).square().mean((2, 3, 4))  # [candidates, B]
        start = {"w": w[errors.argmin(0)]}
        found = fit(lambda params: self.preview(self.project(params)), start, small, self.fit_steps, self.fit_lr)
        return self.project(found)
