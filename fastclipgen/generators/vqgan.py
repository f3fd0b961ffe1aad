"""VQGAN+CLIP: pictures from a map of vectors, each replaced by the nearest code of a VQGAN, through its decoder.

The loop is Katherine Crowson's (the VQGAN+CLIP notebook of 2021; arXiv 2204.08583): the vectors are optimised, what is
drawn are their codes, and the gradient passes from the codes to the vectors unchanged.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fastclipgen.assets import asset
from fastclipgen.generators.base import Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad
from fastclipgen.generators.painted_starts import PaintedStarts
from fastclipgen.generators.tokens import TokenGrid
from fastclipgen.models import vqgan_strips
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.models.vqgan_dialects import build, check_agreement, geometry_of_config
from fastclipgen.ops.philox import Stream, words
from fastclipgen.weights.checkpoint import Advice, read_tensors
from fastclipgen.weights.names import file_of, split_config
from fastclipgen.weights.text import read_yaml

BUILTIN = "builtin"  # instead of a path: the VQGAN of the shapes world that ships
WEIGHTS = "shapes_vqgan.safetensors"


class Vqgan(PaintedStarts):
    """{"z": [B, D, rows, cols]} of a token for every f x f pixels, f of the model.

    model: a frozen VQGAN; tile: rows of a map that a convolution of the decoder takes at once (0: all), which bounds
    what one of them needs for very large pictures; the result is the same up to rounding, steps take longer
    (models/vqgan_strips.py). Sizes that are no multiples of f: generators/tokens.py.
    """

    low: Tensor
    high: Tensor

    name = "vqgan"
    default_optimizer = "adam"
    default_lr = 0.1
    default_views_preset = "latest"
    latent = "z"
    reencodes = True
    weights = "vqgan"
    varied = True

    def __init__(self, height: int, width: int, model: VQGAN, tile: int = 0) -> None:
        super().__init__(height, width)
        check_number(self.name, "tile", tile, 0)
        self.model, self.tile = model.to(memory_format=torch.channels_last), tile  # pyright: ignore[reportCallIssue]
        self.grid = TokenGrid(height, width, model.geometry.factor)
        low, high = model.codebook.detach().float().aminmax(dim=0)
        self.register_buffer("low", low[:, None, None], persistent=False)  # [D, 1, 1]
        self.register_buffer("high", high[:, None, None], persistent=False)

    @classmethod
    def check_weights(cls, text: str) -> None:
        path, config = split_config(text)
        _file(path)
        if config is not None:
            file_of(config, "vqgan")

    @classmethod
    def load_weights(cls, text: str) -> VQGAN:
        """The VQGAN of `PATH[:YAML]`: a checkpoint of taming-transformers or clip-gen, and the YAML file that states
        its geometry, which then must be that of the weights; `builtin` is the one that ships. Raises UserError."""
        path, config = split_config(text)
        file = _file(path)
        advice = Advice(nothing="give the checkpoint of a VQGAN")
        model = build(read_tensors(file, "the VQGAN", advice), f"'{file}'")
        if config is not None:
            stated = geometry_of_config(read_yaml(file_of(config, "vqgan")), f"'{config}'")
            check_agreement(stated, model.geometry, f"'{config}'")
        return model

    def draw_in(self, dtype: torch.dtype) -> None:
        self.model.draw_in(dtype)

    def init(self, seeds: Tensor) -> Params:
        """A random code for every token. Among many starts each is the encoder's view of a painted one."""
        draws = words(seeds, 0, Stream.INIT, self.grid.rows * self.grid.cols)[:, 0]  # [B, rows*cols]
        indices = (draws % len(self.model.codebook)).view(-1, self.grid.rows, self.grid.cols)
        return {"z": self.model.codes(indices).float().contiguous()}

    def init_from(self, images: Tensor) -> Params:
        """The codes that the encoder chooses for the pictures."""
        self.check_images(images)
        with torch.no_grad():
            encoded = self.model.encode(self.grid.pad(images * 2 - 1))
            return {"z": self.model.codes(self.model.choose(encoded)).float().contiguous()}

    def forward(self, params: Params) -> Tensor:
        codes, _ = self.model.nearest(params["z"])
        if self.tile:
            drawn = vqgan_strips.decode(self.model.decoder, self.model.to_decoder(codes), self.tile)
        else:
            drawn = self.model.decode(codes)
        return clamp_with_grad((self.grid.crop(drawn).float() + 1) / 2)

    def project(self, params: Params) -> Params:
        """No coordinate leaves the range it has in the codebook."""
        return {"z": params["z"].clamp(self.low, self.high)}


def _file(text: str) -> Path:
    return asset(WEIGHTS) if text == BUILTIN else file_of(text, "vqgan")
