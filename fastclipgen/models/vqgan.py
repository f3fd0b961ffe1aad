"""VQGAN: pictures <-> maps of vectors, each the row of a codebook. Knows nothing of training, files or prompts.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv 2012.09841; with a Gumbel
codebook as in DALL-E (arXiv 2102.12092). Weights have the names that checkpoints of taming-transformers use, without
`loss.`; other dialects are mapped to them in vqgan_dialects.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fastclipgen.models.frozen_conv import Conv
from fastclipgen.models.vqgan_layers import Downsample, Level, Middle, Norm, Upsample
from fastclipgen.ops.vq_lookup import vq_lookup


@dataclass(frozen=True)
class Geometry:
    """What the sizes of a VQGAN's weights follow from; by default those of vqgan_imagenet_f16_16384."""

    channels: int = 128  # of the finest level; a multiple of 8
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)  # of `channels`, from the finest level to the coarsest
    attention: tuple[int, ...] = (4,)  # levels with attention after every block; 0 is the finest
    blocks: int = 2  # residual blocks of a level in the encoder; the decoder has one more
    z_channels: int = 256  # of the networks' coarse ends
    embed: int = 256  # length of a code
    codes: int = 16384
    eps: float = 1e-6  # of the norms: 1e-6 in taming-transformers, 1e-5 in clip-gen
    gumbel: bool = False  # the encoder chooses codes by logits instead of by distance

    @property
    def factor(self) -> int:
        """Pixels along the side of one token."""
        return 2 ** (len(self.multipliers) - 1)


class Encoder(nn.Module):
    """Pictures [B, 3, H, W] in -1..1, H and W multiples of the factor -> [B, z_channels, H/f, W/f]."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        g = geometry
        widths = [g.channels * m for m in g.multipliers]
        self.conv_in = Conv(3, g.channels, 3, padding=1)
        self.down = nn.ModuleList()
        for level, (inside, outside) in enumerate(zip([g.channels, *widths], widths, strict=False)):
            stage = Level([inside, *[outside] * g.blocks], level in g.attention, g.eps)
            if level + 1 < len(widths):
                stage.downsample = Downsample(outside)
            self.down.append(stage)
        self.mid = Middle(widths[-1], g.eps)
        self.norm_out = Norm(widths[-1], g.eps)
        self.conv_out = Conv(widths[-1], g.z_channels, 3, padding=1)

    def layers(self) -> Iterator[nn.Module]:
        """What lies between the first convolution and the last norm, in order."""
        for stage in self.down:
            assert isinstance(stage, Level)
            yield from stage.layers()
            if hasattr(stage, "downsample"):
                yield stage.get_submodule("downsample")
        yield from self.mid.layers()

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv_in(images)
        for layer in self.layers():
            x = layer(x)
        return self.conv_out(self.norm_out(x))


class Decoder(nn.Module):
    """[B, z_channels, h, w] -> pictures [B, 3, h*f, w*f], about -1..1 (not clamped)."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        g = geometry
        widths = [g.channels * m for m in g.multipliers]
        self.conv_in = Conv(g.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], g.eps)
        self.up = nn.ModuleList()  # up.0 is the finest, and applied last
        for level, (inside, outside) in enumerate(zip([*widths[1:], widths[-1]], widths, strict=True)):
            stage = Level([inside, *[outside] * (g.blocks + 1)], level in g.attention, g.eps)
            if level:
                stage.upsample = Upsample(outside)
            self.up.append(stage)
        self.norm_out = Norm(widths[0], g.eps)
        self.conv_out = Conv(widths[0], 3, 3, padding=1)

    def layers(self) -> Iterator[nn.Module]:
        """What lies between the first convolution and the last norm, in order."""
        yield from self.mid.layers()
        for level in reversed(range(len(self.up))):
            stage = self.up[level]
            assert isinstance(stage, Level)
            yield from stage.layers()
            if level:
                yield stage.get_submodule("upsample")

    def features(self, z: Tensor) -> Tensor:
        """What the last convolution reads, [B, channels, h*f, w*f]."""
        x = self.conv_in(z)
        for layer in self.layers():
            x = layer(x)
        return self.norm_out(x)

    def forward(self, z: Tensor) -> Tensor:
        return self.conv_out(self.features(z))


class Codebook(nn.Module):
    """Holds the codes [K, D], and the logits' weights where it is a Gumbel codebook."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        codes = nn.Embedding(geometry.codes, geometry.embed)
        if geometry.gumbel:
            self.proj, self.embed = nn.Conv2d(geometry.embed, geometry.codes, 1), codes
        else:
            self.embedding = codes


class VQGAN(nn.Module):
    """Encoder, codebook and decoder. The networks compute in the dtype of their weights."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.encoder, self.decoder = Encoder(geometry), Decoder(geometry)
        self.quantize = Codebook(geometry)
        self.quant_conv = Conv(geometry.z_channels, geometry.embed, 1)
        self.post_quant_conv = Conv(geometry.embed, geometry.z_channels, 1)

    def draw_in(self, dtype: torch.dtype) -> None:
        """From here on the decoder computes in `dtype`. Encoder and codebook, which decide on codes, stay as they are:
        the same vectors have the same codes in every precision."""
        self.decoder.to(dtype)
        self.post_quant_conv.to(dtype)

    @property
    def codebook(self) -> Tensor:
        """The codes [K, D]."""
        return (self.quantize.embed if self.geometry.gumbel else self.quantize.embedding).weight

    def encode(self, images: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in -1..1, with H and W multiples of `geometry.factor` -> [B, D, H/f, W/f], which are
        no codes yet."""
        return self.quant_conv(self.encoder(images.to(self.quant_conv.weight.dtype)))

    def choose(self, h: Tensor) -> Tensor:
        """The codes that stand for encoded pictures h [B, D, h, w], int64 [B, h, w]: the nearest ones, or those of the
        highest logits."""
        return self.quantize.proj(h).argmax(1) if self.geometry.gumbel else self.nearest(h)[1]

    def nearest(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest codes [B, D, h, w] of any z of that shape, with the gradient of z, and their indices int64
        [B, h, w]."""
        codes, indices = vq_lookup(z.movedim(1, -1), self.codebook.detach().to(z.dtype))
        return codes.movedim(-1, 1), indices

    def codes(self, indices: Tensor) -> Tensor:
        """Indices int64 [B, h, w] -> codes [B, D, h, w]."""
        return self.codebook[indices].movedim(-1, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, D, h, w] -> pictures [B, 3, h*f, w*f], about -1..1 (not clamped)."""
        return self.decoder(self.to_decoder(codes))

    def to_decoder(self, codes: Tensor) -> Tensor:
        """Codes [B, D, h, w] -> what the decoder reads, [B, z_channels, h, w]."""
        return self.post_quant_conv(codes.to(self.post_quant_conv.weight.dtype))
