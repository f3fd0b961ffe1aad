"""Latents of a network that draws under a condition: attributes, a prompt's CLIP embedding, or both.

Without a step it samples; steps move the latent, or the condition too, under CLIP. Knows nothing of prompts: it is
handed embeddings (`fixed`), and without any draws as the model does of which nothing was told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError, unknown
from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad, shortened
from fastclipgen.models.about import About
from fastclipgen.ops.philox import Stream, normals

N = TypeVar("N", bound=nn.Module)


class Trained(nn.Module, Generic[N]):
    """A network and what its file says of it."""

    def __init__(self, network: N, about: About[Any]) -> None:
        super().__init__()
        self.network: N = network.requires_grad_(False)
        self.about = about


class Conditioned(Generator):
    """{"w": [B, D]}, of which those of random pictures are standard normal.

    A subclass says of its network how long its latents are, what its file calls the attributes, how long embeddings
    are and of which CLIP; `told`: [1, C], the whole condition by the attributes that the user gives; `lowest`: what an
    absent attribute counts; `length`: of embeddings there; and it defines `drawn`.
    """

    told: Tensor

    default_optimizer = "adam"
    default_lr = 0.05
    default_views_preset = "gentle"
    latent = "w"

    def __init__(
        self,
        height: int,
        width: int,
        *,
        dimensions: int,
        told: Tensor,
        embedding: int,
        clip: str,
        norm: float,
        free_condition: bool,
        guidance: float,
        lowest: float = -1.0,
        length: float = 1.0,
    ) -> None:
        super().__init__(height, width)
        check_number(self.name, "norm", norm, 0.1, 10.0)
        check_number(self.name, "guidance", guidance, 0.0, 20.0)
        self.dimensions, self.norm, self.guidance, self.lowest = dimensions, norm, guidance, lowest
        check_number(self.name, "length", length, 0.0)
        self.length = length
        self.conditional = bool(told.shape[1])
        self.embedding, self.clip = embedding, clip
        if free_condition and not self.conditional:
            raise UserError(
                f"option 'free_condition' of generator '{self.name}' is for a model with a condition, this has none"
            )
        self.freed = ("condition",) if free_condition else ()
        self.register_buffer("told", told)

    def drawn(self, w: Tensor, condition: Tensor) -> Tensor:
        """Latents [B, D] under conditions [B, C] -> pictures in 0..1, of the network's own size."""
        raise NotImplementedError(f"{type(self).__name__} must define drawn(w, condition)")

    def fixed(self, embeddings: Tensor) -> Params:
        """{"condition": [B, C]} of CLIP embeddings [B, E] of prompts, of length 1, or 0 where there is no prompt."""
        told = self.told.expand(len(embeddings), -1)
        attributes = told[:, : told.shape[1] - self.embedding]
        return {"condition": torch.cat([attributes, self.length * embeddings.to(told)], 1)}

    def init(self, seeds: Tensor) -> Params:
        """Random latents."""
        return {"w": normals(seeds, 0, Stream.INIT, self.dimensions)[:, 0]}

    def forward(self, params: Params) -> Tensor:
        drawn = self.preview(params)
        if drawn.shape[2:] != (self.height, self.width):
            drawn = F.interpolate(drawn, (self.height, self.width), mode="bicubic", antialias=True)
        return clamp_with_grad(drawn)

    def preview(self, params: Params) -> Tensor:
        """In the model's own size."""
        w = params["w"]
        condition = params.get("condition", self.told.expand(len(w), -1))
        drawn = self.drawn(w, condition)
        if self.guidance == 1:
            return drawn
        return clamp_with_grad(torch.lerp(self.drawn(w, torch.zeros_like(condition)), drawn, self.guidance))

    def project(self, params: Params) -> Params:
        """Latents longer than `norm` allows are shortened to it; of a free condition the embedding keeps its length and
        attributes stay in their range."""
        found = {"w": shortened(params["w"], self.norm * math.sqrt(self.dimensions))}
        if (condition := params.get("condition")) is not None:
            attributes, embedding = condition.tensor_split([condition.shape[1] - self.embedding], 1)
            embedding = self.length * F.normalize(embedding, dim=1)
            found["condition"] = torch.cat([attributes.clamp(self.lowest, 1.0), embedding], 1)
        return found


def attribute_row(given: Sequence[str], known: Sequence[str]) -> Tensor:
    """[1, A] of 1, 0 and NaN (nothing told), of names with or without a minus. Raises UserError."""
    found = torch.full((1, len(known)), float("nan"))
    for name in given:
        there = not name.startswith("-")
        if (plain := name.removeprefix("-")) not in known:
            raise (
                unknown("attribute", plain, known)
                if known
                else UserError(
                    f"attribute '{plain}' was given, but this model was trained without attributes; leave it out"
                )
            )
        found[0, list(known).index(plain)] = float(there)
    return found
