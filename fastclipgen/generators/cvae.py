"""Latents of a CVAE under a prompt: what is drawn is decided by the prompt's CLIP embedding and by a latent.

Without a step it samples; steps move the latent, or the condition too, under CLIP. Knows nothing of prompts: it is
handed embeddings (`fixed`), and without any draws as the model does of which nothing was told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.assets import asset
from fastclipgen.errors import UserError, unknown
from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad, shortened
from fastclipgen.models.cvae import ClipCVAE
from fastclipgen.models.cvae_dialects import About, about, build
from fastclipgen.ops.philox import Stream, normals
from fastclipgen.weights.checkpoint import Advice, read_metadata, read_tensors
from fastclipgen.weights.names import file_of

BUILTIN = "builtin"  # instead of a path: the CVAE of the shapes world that ships
WEIGHTS = "shapes_cvae.safetensors"
_ADVICE = Advice(nothing="give a file of fastclipgen train cvae")


class Trained(nn.Module):
    """A network and what its file says of it."""

    def __init__(self, network: ClipCVAE, about: About) -> None:
        super().__init__()
        self.network, self.about = network.requires_grad_(False), about


class Cvae(Generator):
    """{"w": [B, D]}: whitened latents, of which those of random pictures are standard normal.

    norm: largest length of a latent, in units of sqrt(D), the length of random ones. attributes: names of what is
    there, and with a minus before them of what is not; of the others nothing is told. free_condition: steps move the
    condition too. guidance: how far the pictures go from those without a condition to those with it and on (1: with
    it), as in classifier-free guidance. length: that embeddings are given; None: that of the model's training, which
    for files of Text2ImageClip is a guess. The model draws squares of its own size; others are those, resized.
    """

    told: Tensor

    name = "cvae"
    default_optimizer = "adam"
    default_lr = 0.05
    default_views_preset = "gentle"
    latent = "w"
    weights = "cvae"

    def __init__(
        self,
        height: int,
        width: int,
        model: Trained,
        norm: float = 1.1,
        attributes: Sequence[str] | None = None,
        free_condition: bool = False,
        guidance: float = 1.0,
        length: float | None = None,
    ) -> None:
        super().__init__(height, width)
        check_number(self.name, "norm", norm, 0.1, 10.0)
        check_number(self.name, "guidance", guidance, 0.0, 20.0)
        self.model, self.norm, self.guidance = model.network, norm, guidance
        self.length = model.about.length if length is None else length
        check_number(self.name, "length", self.length, 0.0)
        geometry = self.model.geometry
        self.conditional = bool(geometry.condition)
        self.embedding, self.clip = geometry.embedding, model.about.clip
        if free_condition and not geometry.condition:
            raise UserError(
                "option 'free_condition' of generator 'cvae' is for a model with a condition, this has none"
            )
        self.freed = ("condition",) if free_condition else ()
        given = _attributes(attributes or (), model.about.attributes)
        self.register_buffer("told", self.model.conditions(1, given if geometry.attributes else None))  # [1, C]

    @classmethod
    def check_weights(cls, text: str) -> None:
        _file(text)

    @classmethod
    def clip_of(cls, text: str) -> str:
        file = _file(text)
        return about(read_tensors(file, "the CVAE", _ADVICE), read_metadata(file), f"'{file}'").clip

    @classmethod
    def load_weights(cls, text: str) -> Trained:
        """The CVAE of `PATH`: a file of `fastclipgen train cvae`, or of Text2ImageClip; `builtin` is the one that
        ships. Raises UserError."""
        file = _file(text)
        tensors = read_tensors(file, "the CVAE", _ADVICE)
        found = about(tensors, read_metadata(file), f"'{file}'")
        return Trained(build(tensors, found, f"'{file}'"), found)

    def draw_in(self, dtype: torch.dtype) -> None:
        for part in (self.model.decoder_input, self.model.decoder):
            part.to(dtype)

    def fixed(self, embeddings: Tensor) -> Params:
        """{"condition": [B, C]} of CLIP embeddings [B, E] of prompts, of length 1, or 0 where there is no prompt."""
        told = self.told.expand(len(embeddings), -1)
        return {
            "condition": torch.cat([told[:, : self.model.geometry.attributes], self.length * embeddings.to(told)], 1)
        }

    def init(self, seeds: Tensor) -> Params:
        """Random latents."""
        return {"w": normals(seeds, 0, Stream.INIT, self.model.geometry.latent)[:, 0]}

    def init_from(self, images: Tensor) -> Params:
        """The latents that the encoder gives, told of the attributes alone; what it cannot draw is lost."""
        self.check_images(images)
        side = self.model.geometry.side
        small = F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        with torch.no_grad():
            mean, _ = self.model.encode(small, self.told.expand(len(images), -1))
            return {"w": self.model.whitened(mean)}

    def forward(self, params: Params) -> Tensor:
        drawn = self.preview(params)
        if drawn.shape[2:] != (self.height, self.width):
            drawn = F.interpolate(drawn, (self.height, self.width), mode="bicubic", antialias=True)
        return clamp_with_grad(drawn)

    def preview(self, params: Params) -> Tensor:
        """In the model's own size."""
        w = params["w"]
        condition = params.get("condition", self.told.expand(len(w), -1))
        z = self.model.latents(w)
        drawn = self.model.decode(z, condition)
        if self.guidance == 1:
            return drawn
        return clamp_with_grad(torch.lerp(self.model.decode(z, torch.zeros_like(condition)), drawn, self.guidance))

    def project(self, params: Params) -> Params:
        """Latents longer than `norm` allows are shortened to it; of a free condition the embedding keeps its length and
        attributes stay in their range."""
        found = {"w": shortened(params["w"], self.norm * math.sqrt(self.model.geometry.latent))}
        if (condition := params.get("condition")) is not None:
            attributes, embedding = condition.split([self.model.geometry.attributes, self.embedding], 1)
            low = -1.0 if self.model.geometry.signed else 0.0
            found["condition"] = torch.cat([attributes.clamp(low, 1.0), self.length * F.normalize(embedding, dim=1)], 1)
        return found


def _attributes(given: Sequence[str], known: Sequence[str]) -> Tensor:
    """[1, A] of 1, 0 and NaN (nothing told), of names with or without a minus. Raises UserError."""
    found = torch.full((1, len(known)), float("nan"))
    for name in given:
        there = not name.startswith("-")
        if (plain := name.removeprefix("-")) not in known:
            raise (
                unknown("attribute", plain, known)
                if known
                else UserError(
                    f"attribute '{plain}' was given, but this CVAE was trained without attributes; leave it out"
                )
            )
        found[0, list(known).index(plain)] = float(there)
    return found


def _file(text: str) -> Path:
    if text != BUILTIN:
        return file_of(text, "cvae")
    try:
        return asset(WEIGHTS)
    except UserError:
        raise UserError(
            "no CVAE ships with this version; give one with --cvae PATH, such as 'fastclipgen train cvae' has made"
        ) from None
