"""A VQGAN as the scripts of VQGAN+CLIP draw with it: eager torch, one operation after the other.

After taming-transformers' decoder and the nearest codes of K. Crowson's notebook: all distances, and a product of
one-hot rows with the codebook.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.generators.base import Params
from fastclipgen.generators.clamp import clamp_with_grad
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.models.frozen_conv import Conv
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.models.vqgan_layers import Norm


class PlainNorm(nn.GroupNorm):
    """GroupNorm, then SiLU."""

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(super().forward(input))


def plain(model: VQGAN, dtype: torch.dtype, memory_format: torch.memory_format) -> VQGAN:
    """A copy of the model that is made of torch's own layers."""
    model = copy.deepcopy(model)
    model.draw_in(dtype)
    for module in model.modules():
        if type(module) in _OWN:
            module.__class__ = _OWN[type(module)]
    return model.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue]


_OWN: dict[type, type] = {Norm: PlainNorm, Conv: nn.Conv2d}


class PlainVqgan:
    """Draws as generator `vqgan` does. careful: without the one-hot product, in channels_last and in `dtype`."""

    def __init__(self, generator: Vqgan, dtype: torch.dtype, careful: bool) -> None:
        form = torch.channels_last if careful else torch.contiguous_format
        self.model, self.grid = plain(generator.model, dtype, form), generator.grid
        self.careful = careful

    def draw(self, params: Params) -> Tensor:
        """{"z": [1, D, rows, cols]} -> [1, 3, H, W] in 0..1."""
        codebook, z = self.model.codebook, params["z"].movedim(1, -1)
        distances = z.pow(2).sum(-1, keepdim=True) + codebook.pow(2).sum(1) - 2 * z @ codebook.T
        nearest = distances.argmin(-1)
        if self.careful:
            codes = F.embedding(nearest, codebook)
        else:
            codes = F.one_hot(nearest, len(codebook)).to(codebook.dtype) @ codebook
        codes = z + (codes - z).detach()
        drawn = self.grid.crop(self.model.decode(codes.movedim(-1, 1))).float()
        return clamp_with_grad((drawn + 1) / 2)
