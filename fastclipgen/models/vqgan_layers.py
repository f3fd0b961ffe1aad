"""The layers that a VQGAN's encoder and decoder are made of, [B, C, h, w] -> the same or half or twice the size.

Their weights have the names of taming-transformers. Knows nothing of how they are put together (vqgan.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.models.frozen_conv import Conv
from fastclipgen.ops.norm_silu import norm_silu

GROUPS = 32  # of a GroupNorm whose channels are a multiple of it, as all published ones are
CHANNELS = 8  # those of every layer are a multiple of it
WHOLE = 4096  # places of a map for which a GPU writes the whole matrix of attention: 64 MiB in float32


def groups_of(channels: int) -> int:
    """The groups of a norm over so many channels: 32, or the largest power of two that divides them.

    With 32 groups of one channel each the last norm would take the mean colour out of every picture.
    """
    return math.gcd(GROUPS, channels)


class Norm(nn.GroupNorm):
    """GroupNorm and SiLU, [B, C, h, w]."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__(groups_of(channels), channels, eps)

    def forward(self, input: Tensor) -> Tensor:
        return norm_silu(input, self.weight, self.bias, self.num_groups, self.eps)


class Block(nn.Module):
    """x + conv(SiLU(norm(conv(SiLU(norm(x)))))), 3x3 convolutions; a 1x1 one on x where the channels change."""

    def __init__(self, inside: int, outside: int, eps: float) -> None:
        super().__init__()
        self.norm1, self.conv1 = Norm(inside, eps), Conv(inside, outside, 3, padding=1)
        self.norm2, self.conv2 = Norm(outside, eps), Conv(outside, outside, 3, padding=1)
        if inside != outside:
            self.nin_shortcut = Conv(inside, outside, 1)

    def shortcut(self, x: Tensor) -> Tensor:
        return self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.conv2(self.norm2(self.conv1(self.norm1(x))))


class Attention(nn.Module):
    """x + attention of every place of norm(x) to all places, one head, [B, C, h, w]."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups_of(channels), channels, eps)
        self.q, self.k, self.v, self.proj_out = (Conv(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.norm(x)
        q, k, v = (conv(seen).flatten(2).mT[:, None] for conv in (self.q, self.k, self.v))  # [B, 1, h*w, C]
        found = attend(q, k, v)[:, 0].mT.unflatten(2, x.shape[2:])
        return x + self.proj_out(found)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of every place to all, [B, 1, places, C]."""
    # torch's fused kernels for so wide a head give a program 64 places: of a map of 32 x 32 sixteen programs in all
    if query.device.type == "cuda" and query.shape[-2] <= WHOLE:
        return attend_at_once(query, key, value)
    return F.scaled_dot_product_attention(query, key, value)


def attend_at_once(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same as two matrix products, with the whole matrix between them in memory."""
    scores = (query * query.shape[-1] ** -0.5) @ key.mT  # [B, 1, places, places]
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


class Downsample(nn.Module):
    """3x3 convolution of stride 2; a row and a column of zeros are added below and to the right only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Nearest neighbour to twice the size, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """The blocks of one resolution, each with its attention where the level has any. Holds weights; see `layers`."""

    def __init__(self, sizes: list[int], attends: bool, eps: float) -> None:
        super().__init__()
        self.block = nn.ModuleList(Block(inside, outside, eps) for inside, outside in pairwise(sizes))
        self.attn = nn.ModuleList(Attention(outside, eps) for outside in sizes[1:] if attends)

    def layers(self) -> Iterator[nn.Module]:
        """In the order in which they are applied, without the change of resolution."""
        for index, block in enumerate(self.block):
            yield block
            if self.attn:
                yield self.attn[index]


class Middle(nn.Module):
    """Block, attention, block at the coarsest resolution. Holds weights; see `layers`."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.block_1, self.attn_1 = Block(channels, channels, eps), Attention(channels, eps)
        self.block_2 = Block(channels, channels, eps)

    def layers(self) -> Iterator[nn.Module]:
        yield from (self.block_1, self.attn_1, self.block_2)
