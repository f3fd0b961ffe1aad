"""Latents of a tiny autoencoder (the TAESD family) as parameters: natural pictures from a small map, no codebook.

Knows nothing of diffusion models, whose latents they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator, Params, check_number
from fastclipgen.generators.clamp import clamp_with_grad
from fastclipgen.generators.tokens import TokenGrid
from fastclipgen.models.taesd import Decoder, Encoder, build_decoder, build_encoder
from fastclipgen.ops.philox import Stream, normals
from fastclipgen.weights.checkpoint import Advice, read_tensors
from fastclipgen.weights.names import halves


class Halves(nn.Module):
    """A decoder and, where it was found, the encoder that belongs to it."""

    def __init__(self, decoder: Decoder, encoder: Encoder | None) -> None:
        super().__init__()
        self.decoder, self.encoder = decoder, encoder


class Autoencoder(Generator):
    """{"latents": [B, C, rows, cols]}, one place for every f x f pixels; C and f are the model's.

    noise: standard deviation of the random latents of a start, in 0..10; latents of photographs have about 1. Sizes
    that are no multiples of f: generators/tokens.py.
    """

    name = "autoencoder"
    default_optimizer = "adam"
    default_lr = 0.05
    default_views_preset = "latest"
    latent = "latents"
    reencodes = True
    weights = "autoencoder"

    def __init__(self, height: int, width: int, model: Halves, noise: float = 0.5) -> None:
        super().__init__(height, width)
        check_number(self.name, "noise", noise, 0.0, 10.0)
        self.model, self.noise = model.to(memory_format=torch.channels_last), noise  # pyright: ignore[reportCallIssue]
        self.grid = TokenGrid(height, width, model.decoder.factor)

    @classmethod
    def check_weights(cls, text: str) -> None:
        halves(text, "autoencoder")

    @classmethod
    def load_weights(cls, text: str) -> Halves:
        """The autoencoder at PATH: a decoder's file, or a folder with one, with the encoder's beside it where there is
        one ('decoder' in the name becomes 'encoder'). Raises UserError."""
        decoder, encoder = halves(text, "autoencoder")
        advice = Advice(nothing="give taesd_decoder.pth or one of its kin")
        made = build_decoder(read_tensors(decoder, "the autoencoder", advice), f"'{decoder}'")
        if encoder is None:
            return Halves(made, None)
        other = build_encoder(read_tensors(encoder, "the autoencoder", advice), f"'{encoder}'")
        if (other.channels, other.factor) != (made.channels, made.factor):
            raise UserError(
                f"'{encoder}' makes latents of {other.channels} channels, '{decoder}' reads {made.channels} (factors "
                f"{other.factor} and {made.factor}); put an encoder and a decoder that belong together in one folder"
            )
        return Halves(made, other)

    def draw_in(self, dtype: torch.dtype) -> None:
        self.model.decoder.to(dtype)

    def init(self, seeds: Tensor) -> Params:
        """Random latents."""
        shape = self.model.decoder.channels, self.grid.rows, self.grid.cols
        draws = normals(seeds, 0, Stream.INIT, shape[0] * shape[1] * shape[2])
        return {"latents": self.noise * draws.view(-1, *shape)}

    def init_from(self, images: Tensor) -> Params:
        """The latents that the encoder gives. Raises UserError where no encoder was found."""
        self.check_images(images)
        if self.model.encoder is None:
            raise UserError(
                "a start picture, or an edited one, goes through the autoencoder's encoder, but there is none beside "
                "its decoder; put taesd_encoder.pth, or that of the same kin, into the same folder"
            )
        with torch.no_grad():
            return {"latents": self.model.encoder(self.grid.pad(images)).float().contiguous()}

    def forward(self, params: Params) -> Tensor:
        return clamp_with_grad(self.grid.crop(self.model.decoder(params["latents"])).float())
