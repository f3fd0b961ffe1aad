"""The transformer and the VQGAN of a run, from what the settings name, and whether they and the CLIP fit together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.assets import asset
from fastclipgen.config.sampling import BUILTIN
from fastclipgen.errors import UserError
from fastclipgen.models import transformer_dialects
from fastclipgen.models.transformer import Transformer
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.weights import published
from fastclipgen.weights.checkpoint import Advice, read_tensors
from fastclipgen.weights.names import file_of

WEIGHTS = "shapes_clip_gen.safetensors"
_ADVICE = Advice(nothing="give the checkpoint of a CLIP-GEN transformer, such as gpt_coco.pt")


class Networks(NamedTuple):
    """What draws: `side` is that of the square pictures, in pixels."""

    transformer: Transformer
    vqgan: VQGAN
    side: int

    @property
    def grid(self) -> int:
        """Tokens along the side of a picture."""
        return math.isqrt(self.transformer.geometry.block)

    @torch.no_grad()
    def codes(self, tokens: Tensor) -> Tensor:
        """Tokens int64 [n, L] -> codes float32 [n, D, grid, grid]."""
        return self.vqgan.codes(tokens.view(-1, self.grid, self.grid)).float().contiguous()

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 [n, L] -> pictures float32 [n, 3, side, side], about -1..1 (not clamped)."""
        return self.vqgan.decode(self.codes(tokens)).float()


def transformer_file(text: str) -> Path:
    """The file that the setting `clip_gen` names. Raises UserError where there is none."""
    return asset(WEIGHTS) if text == BUILTIN else file_of(text, "clip-gen")


def check_weights(text: str) -> None:
    """Raises UserError where the setting `clip_gen` names no file and no published weights; downloads none."""
    if not published.is_name(text, "clip-gen"):
        transformer_file(text)


def load_transformer(text: str) -> Transformer:
    """The frozen transformer in the file that the setting `clip_gen` names, in float32 on the CPU. Raises UserError."""
    file = transformer_file(text)
    tensors = read_tensors(file, "the transformer", _ADVICE)
    return transformer_dialects.build(tensors, f"'{file}'").requires_grad_(False)


def join(transformer: Transformer, vqgan: VQGAN) -> Networks:
    """The two as one. Raises UserError where the tokens of one are not the codes of the other."""
    drawn, known = transformer.geometry.vocabulary, vqgan.geometry.codes
    if drawn != known:
        raise UserError(
            f"the transformer draws tokens of {drawn} kinds, but the VQGAN has {known} codes; give the VQGAN that the "
            "transformer was trained with"
        )
    block = transformer.geometry.block
    if math.isqrt(block) ** 2 != block:
        raise UserError(
            f"the transformer draws {block} tokens a picture, which make no square; give one for square pictures, such "
            "as 256 tokens for 16 x 16"
        )
    return Networks(transformer, vqgan, math.isqrt(block) * vqgan.geometry.factor)


def check_perceptor(transformer: Transformer, perceptor: FrozenPerceptor) -> None:
    """Raises UserError where the CLIP cannot be the one that the transformer was trained with."""
    wanted, got = transformer.geometry.condition, perceptor.embed_dim
    if wanted != got:
        raise UserError(
            f"the transformer takes embeddings of {wanted} numbers, but CLIP '{perceptor.name}' gives {got}; name the "
            "CLIP that it was trained with by --clip"
        )
