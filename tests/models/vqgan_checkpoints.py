"""Random VQGAN checkpoints under the names that taming-transformers and clip-gen give their weights, and what such
weights mean, written down a second time as plainly as possible: one function a layer, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    widths: tuple[int, ...] = (32, 32, 64)  # of the levels, finest first
    attention: tuple[int, ...] = (2,)
    blocks: int = 2
    z: int = 5
    embed: int = 4
    codes: int = 50
    gumbel: bool = False


TINY = Sizes()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random, self.weights = torch.Generator().manual_seed(seed), {}

    def conv(self, name: str, inside: int, outside: int, side: int = 3, bias: bool = True) -> None:
        scale = (inside * side * side) ** -0.5
        self.weights[f"{name}.weight"] = scale * torch.randn(outside, inside, side, side, generator=self.random)
        if bias:
            self.weights[f"{name}.bias"] = 0.1 * torch.randn(outside, generator=self.random)

    def norm(self, name: str, channels: int) -> None:
        self.weights[f"{name}.weight"] = 1 + 0.2 * torch.randn(channels, generator=self.random)
        self.weights[f"{name}.bias"] = 0.2 * torch.randn(channels, generator=self.random)

    def vectors(self, name: str, *shape: int) -> None:
        self.weights[name] = torch.randn(*shape, generator=self.random)


def taming(seed: int = 0, sizes: Sizes = TINY) -> Weights:
    """A VQModel, or a GumbelVQ, with its losses' weights."""
    make, s, top = _Maker(seed), sizes, len(sizes.widths) - 1

    def block(name: str, inside: int, outside: int) -> None:
        make.norm(f"{name}.norm1", inside)
        make.conv(f"{name}.conv1", inside, outside)
        make.norm(f"{name}.norm2", outside)
        make.conv(f"{name}.conv2", outside, outside)
        if inside != outside:
            make.conv(f"{name}.nin_shortcut", inside, outside, 1)

    def attention(name: str, channels: int) -> None:
        make.norm(f"{name}.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            make.conv(f"{name}.{part}", channels, channels, 1)

    def middle(name: str) -> None:
        block(f"{name}.block_1", s.widths[-1], s.widths[-1])
        attention(f"{name}.attn_1", s.widths[-1])
        block(f"{name}.block_2", s.widths[-1], s.widths[-1])

    make.conv("encoder.conv_in", 3, s.widths[0])
    inside = s.widths[0]
    for level, width in enumerate(s.widths):
        for i in range(s.blocks):
            block(f"encoder.down.{level}.block.{i}", inside, width)
            inside = width
            if level in s.attention:
                attention(f"encoder.down.{level}.attn.{i}", width)
        if level < top:
            make.conv(f"encoder.down.{level}.downsample.conv", width, width)
    middle("encoder.mid")
    make.norm("encoder.norm_out", inside)
    make.conv("encoder.conv_out", inside, s.z)
    make.conv("quant_conv", s.z, s.embed, 1)
    make.conv("post_quant_conv", s.embed, s.z, 1)
    make.conv("decoder.conv_in", s.z, inside)
    middle("decoder.mid")
    for level in range(top, -1, -1):
        for i in range(s.blocks + 1):
            block(f"decoder.up.{level}.block.{i}", inside, s.widths[level])
            inside = s.widths[level]
            if level in s.attention:
                attention(f"decoder.up.{level}.attn.{i}", inside)
        if level:
            make.conv(f"decoder.up.{level}.upsample.conv", inside, inside)
    make.norm("decoder.norm_out", inside)
    make.conv("decoder.conv_out", inside, 3)
    if s.gumbel:
        make.conv("quantize.proj", s.embed, s.codes, 1)
        make.vectors("quantize.embed.weight", s.codes, s.embed)
    else:
        make.vectors("quantize.embedding.weight", s.codes, s.embed)
    make.conv("loss.discriminator.main.0", 3, 4, 4)
    return make.weights


def clip_gen(seed: int = 0, sizes: Sizes = TINY) -> Weights:
    make, s, top = _Maker(seed), sizes, len(sizes.widths) - 1

    def block(name: str, inside: int, outside: int) -> None:
        make.norm(f"{name}.block.0", inside)
        make.conv(f"{name}.block.2", inside, outside)
        make.norm(f"{name}.block.3", outside)
        make.conv(f"{name}.block.6", outside, outside)
        if inside != outside:
            make.conv(f"{name}.shortcut", inside, outside, 1)

    def attention(name: str, channels: int) -> None:
        make.norm(f"{name}.norm", channels)
        for part, rows in (("in_proj_", 3 * channels), ("out_proj.", channels)):
            make.conv(f"{name}.attn.{part}", channels, rows, 1)
            for what in ("weight", "bias"):
                value = make.weights.pop(f"{name}.attn.{part}.{what}")
                make.weights[f"{name}.attn.{part}{what}"] = value.flatten(1) if value.ndim == 4 else value

    def middle(name: str) -> None:
        block(f"{name}.0", s.widths[-1], s.widths[-1])
        attention(f"{name}.1", s.widths[-1])
        block(f"{name}.2", s.widths[-1], s.widths[-1])

    make.conv("encoder.conv_in", 3, s.widths[0])
    inside, place = s.widths[0], 0
    for level, width in enumerate(s.widths):
        for _ in range(s.blocks):
            block(f"encoder.down.{place}", inside, width)
            inside, place = width, place + 1
            if level in s.attention:
                attention(f"encoder.down.{place}", width)
                place += 1
        if level < top:
            make.conv(f"encoder.down.{place}.conv", width, width)
            place += 1
    middle("encoder.mid")
    make.norm("encoder.final.0", inside)
    make.conv("encoder.final.2", inside, s.z)
    make.conv("encoder.final.3", s.z, s.embed, 1)
    make.conv("decoder.quant_conv_in", s.embed, s.z, 1)
    make.conv("decoder.conv_in", s.z, inside)
    middle("decoder.mid")
    place = 0
    for level in range(top, -1, -1):
        for _ in range(s.blocks + 1):
            block(f"decoder.up.{place}", inside, s.widths[level])
            inside, place = s.widths[level], place + 1
            if level in s.attention:
                attention(f"decoder.up.{place}", inside)
                place += 1
        if level:
            make.conv(f"decoder.up.{place}.conv", inside, inside)
            place += 1
    make.norm("decoder.final.0", inside)
    make.conv("decoder.final.2", inside, 3)
    make.vectors("quantizer.embedding.weight", s.codes, s.embed)
    make.conv("discriminator.head", 3, 1, 4)
    return make.weights


class Plain:
    """What the weights of one checkpoint compute, layer by layer as the papers' code documents it."""

    def __init__(self, weights: Weights, sizes: Sizes = TINY) -> None:
        self.weights, self.sizes = {name: value.double() for name, value in weights.items()}, sizes
        self.clip_gen = "quantizer.embedding.weight" in weights
        self.eps = 1e-5 if self.clip_gen else 1e-6

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.weights[f"{name}.weight"]
        pad = 0 if stride == 2 else weight.shape[-1] // 2
        return F.conv2d(x, weight, self.weights[f"{name}.bias"], stride, pad)

    def norm(self, name: str, x: Tensor) -> Tensor:
        groups = x.reshape(len(x), math.gcd(32, x.shape[1]), -1)  # 32 in all published ones
        mean, var = groups.mean(2, keepdim=True), groups.var(2, correction=0, keepdim=True)
        x = ((groups - mean) / (var + self.eps).sqrt()).reshape(x.shape)
        return x * self.weights[f"{name}.weight"][:, None, None] + self.weights[f"{name}.bias"][:, None, None]

    def swish(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    def block(self, name: str, x: Tensor) -> Tensor:
        norm1, conv1, norm2, conv2, shortcut = (
            ("block.0", "block.2", "block.3", "block.6", "shortcut")
            if self.clip_gen
            else ("norm1", "conv1", "norm2", "conv2", "nin_shortcut")
        )
        h = self.conv(f"{name}.{conv1}", self.swish(self.norm(f"{name}.{norm1}", x)))
        h = self.conv(f"{name}.{conv2}", self.swish(self.norm(f"{name}.{norm2}", h)))
        return (self.conv(f"{name}.{shortcut}", x) if f"{name}.{shortcut}.weight" in self.weights else x) + h

    def attention(self, name: str, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        h = self.norm(f"{name}.norm", x)
        if self.clip_gen:
            mha = torch.nn.MultiheadAttention(channels, 1, batch_first=True, dtype=torch.float64)
            own = {k.removeprefix(f"{name}.attn."): v for k, v in self.weights.items() if k.startswith(f"{name}.attn.")}
            mha.load_state_dict(own)
            tokens = h.flatten(2).mT
            found = mha(tokens, tokens, tokens)[0].mT
            return x + found.reshape(x.shape)
        q, k, v = (self.conv(f"{name}.{part}", h).reshape(batch, channels, -1) for part in "qkv")
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k) * channels**-0.5, dim=2)
        found = torch.einsum("bij,bcj->bci", weights, v).reshape(batch, channels, height, width)
        return x + self.conv(f"{name}.proj_out", found)

    def middle(self, name: str, x: Tensor) -> Tensor:
        one, two, three = ("0", "1", "2") if self.clip_gen else ("block_1", "attn_1", "block_2")
        return self.block(f"{name}.{three}", self.attention(f"{name}.{two}", self.block(f"{name}.{one}", x)))

    def encode(self, images: Tensor) -> Tensor:
        s, place, x = self.sizes, 0, self.conv("encoder.conv_in", images.double())
        for level in range(len(s.widths)):
            for i in range(s.blocks):
                x = self.block(f"encoder.down.{place}" if self.clip_gen else f"encoder.down.{level}.block.{i}", x)
                place += 1
                if level in s.attention:
                    theirs = f"encoder.down.{place}" if self.clip_gen else f"encoder.down.{level}.attn.{i}"
                    x, place = self.attention(theirs, x), place + 1
            if level < len(s.widths) - 1:
                x = F.pad(x, (0, 1, 0, 1))
                theirs = f"encoder.down.{place}.conv" if self.clip_gen else f"encoder.down.{level}.downsample.conv"
                x, place = self.conv(theirs, x, stride=2), place + 1
        norm, out, quant = (
            ("encoder.final.0", "encoder.final.2", "encoder.final.3")
            if self.clip_gen
            else ("encoder.norm_out", "encoder.conv_out", "quant_conv")
        )
        return self.conv(quant, self.conv(out, self.swish(self.norm(norm, self.middle("encoder.mid", x)))))

    def indices(self, h: Tensor) -> Tensor:
        if "quantize.proj.weight" in self.weights:
            return self.conv("quantize.proj", h).softmax(1).argmax(1)
        return torch.cdist(h.movedim(1, -1).flatten(0, 2), self.codebook).argmin(1).view(len(h), *h.shape[2:])

    @property
    def codebook(self) -> Tensor:
        [name] = [name for name in self.weights if name.endswith(("embedding.weight", "embed.weight"))]
        return self.weights[name]

    def decode(self, codes: Tensor) -> Tensor:
        s, place = self.sizes, 0
        x = self.conv("decoder.quant_conv_in" if self.clip_gen else "post_quant_conv", codes.double())
        x = self.middle("decoder.mid", self.conv("decoder.conv_in", x))
        for level in range(len(s.widths) - 1, -1, -1):
            for i in range(s.blocks + 1):
                x = self.block(f"decoder.up.{place}" if self.clip_gen else f"decoder.up.{level}.block.{i}", x)
                place += 1
                if level in s.attention:
                    theirs = f"decoder.up.{place}" if self.clip_gen else f"decoder.up.{level}.attn.{i}"
                    x, place = self.attention(theirs, x), place + 1
            if level:
                x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
                theirs = f"decoder.up.{place}.conv" if self.clip_gen else f"decoder.up.{level}.upsample.conv"
                x, place = self.conv(theirs, x), place + 1
        norm, out = (
            ("decoder.final.0", "decoder.final.2") if self.clip_gen else ("decoder.norm_out", "decoder.conv_out")
        )
        return self.conv(out, self.swish(self.norm(norm, x)))
