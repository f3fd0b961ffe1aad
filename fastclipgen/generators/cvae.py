"""Latents of a CVAE under a prompt: what is drawn is decided by the prompt's CLIP embedding and by a latent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.assets import asset
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Params
from fastclipgen.generators.conditioned import Conditioned, Trained, attribute_row
from fastclipgen.models.cvae import ClipCVAE
from fastclipgen.models.cvae_dialects import about, build
from fastclipgen.weights.checkpoint import Advice, read_metadata, read_tensors
from fastclipgen.weights.names import file_of

BUILTIN = "builtin"  # instead of a path: the CVAE of the shapes world that ships
WEIGHTS = "shapes_cvae.safetensors"
_ADVICE = Advice(nothing="give a file of fastclipgen train cvae")


class Cvae(Conditioned):
    """{"w": [B, D]}: whitened latents, of which those of random pictures are standard normal.

    norm: largest length of a latent, in units of sqrt(D), the length of random ones. attributes: names of what is
    there, and with a minus before them of what is not; of the others nothing is told. free_condition: steps move the
    condition too. guidance: how far the pictures go from those without a condition to those with it and on (1: with
    it), as in classifier-free guidance. length: that embeddings are given; None: that of the model's training, which
    for files of Text2ImageClip is a guess. The model draws squares of its own size; others are those, resized.
    """

    name = "cvae"
    weights = "cvae"

    def __init__(
        self,
        height: int,
        width: int,
        model: Trained[ClipCVAE],
        norm: float = 1.1,
        attributes: Sequence[str] | None = None,
        free_condition: bool = False,
        guidance: float = 1.0,
        length: float | None = None,
    ) -> None:
        network, geometry = model.network, model.network.geometry
        given = attribute_row(attributes or (), model.about.attributes)
        told = network.conditions(1, given if geometry.attributes else None)
        super().__init__(
            height, width, dimensions=geometry.latent, told=told, embedding=geometry.embedding,
            clip=model.about.clip, norm=norm, free_condition=free_condition, guidance=guidance,
            lowest=-1.0 if geometry.signed else 0.0, length=model.about.length if length is None else length,
        )  # fmt: skip
        self.model = network

    @classmethod
    def check_weights(cls, text: str) -> None:
        _file(text)

    @classmethod
    def clip_of(cls, text: str) -> str:
        file = _file(text)
        return about(read_tensors(file, "the CVAE", _ADVICE), read_metadata(file), f"'{file}'").clip

    @classmethod
    def load_weights(cls, text: str) -> Trained[ClipCVAE]:
        """The CVAE of `PATH`: a file of `fastclipgen train cvae`, or of Text2ImageClip; `builtin` is the one that
        ships. Raises UserError."""
        file = _file(text)
        tensors = read_tensors(file, "the CVAE", _ADVICE)
        found = about(tensors, read_metadata(file), f"'{file}'")
        return Trained(build(tensors, found, f"'{file}'"), found)

    def draw_in(self, dtype: torch.dtype) -> None:
        for part in (self.model.decoder_input, self.model.decoder):
            part.to(dtype)

    def drawn(self, w: Tensor, condition: Tensor) -> Tensor:
        return self.model.decode(self.model.latents(w), condition)

    def init_from(self, images: Tensor) -> Params:
        """The latents that the encoder gives, told of the attributes alone; what it cannot draw is lost."""
        self.check_images(images)
        side = self.model.geometry.side
        small = F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        with torch.no_grad():
            mean, _ = self.model.encode(small, self.told.expand(len(images), -1))
            return {"w": self.model.whitened(mean)}


def _file(text: str) -> Path:
    if text != BUILTIN:
        return file_of(text, "cvae")
    try:
        return asset(WEIGHTS)
    except UserError:
        raise UserError(
            "no CVAE ships with this version; give one with --cvae PATH, such as 'fastclipgen train cvae' has made"
        ) from None
