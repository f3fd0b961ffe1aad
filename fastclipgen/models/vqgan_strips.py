"""A VQGAN's decoder for pictures that are too large to be decoded in one piece: the same picture up to rounding.

Attention and GroupNorm see the whole picture, so tiles that are decoded apart do not fit together. Here only what is
local is cut: norms get their statistics from the whole map, and then norm, SiLU and convolution go over horizontal
strips of it, each with the one row of its neighbours that a 3x3 convolution reads. Attention stays whole: it is at
coarse levels only, and torch's fused kernels keep no matrix of h*w x h*w.

A decoder in one piece keeps for its backward the maps that norms read, 5.3 GiB of the geometry of f16_16384 at
1024 x 1024 in float32 (engine.memory.drawing_bytes); so do strips, 5.5 GiB, which are computed again. What they bound
is what one convolution takes at a time, its workspace included. Knows nothing of what is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fastclipgen.models.vqgan import Decoder
from fastclipgen.models.vqgan_layers import Block, Norm, Upsample


def decode(decoder: Decoder, z: Tensor, rows: int) -> Tensor:
    """`decoder(z)` with convolutions over at most `rows` rows (1 or more) of any map at once.

    z [B, z_channels, h, w] -> pictures [B, 3, h*f, w*f]. Maps of no more rows are done whole.
    """
    x = decoder.conv_in(z)
    for layer in decoder.layers():
        if isinstance(layer, Block):
            x = _block(layer, x, rows)
        elif isinstance(layer, Upsample):
            x = _upsample(layer, x, rows)
        else:
            x = layer(x)
    return _norm_conv(decoder.norm_out, decoder.conv_out, x, rows)


def _block(block: Block, x: Tensor, rows: int) -> Tensor:
    h = _norm_conv(block.norm1, block.conv1, x, rows)
    return _norm_conv(block.norm2, block.conv2, h, rows, lambda part: block.shortcut(part), x)


def _norm_conv(
    norm: Norm, conv: nn.Conv2d, x: Tensor, rows: int, beside: Callable[[Tensor], Tensor] | None = None,
    other: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """conv(SiLU(norm(x))), plus beside(other) where given."""
    if x.shape[2] <= rows:
        out = conv(norm(x))
        return out if beside is None or other is None else beside(other) + out
    scale, shift = affine(norm, x)

    def strip(part: Tensor, scale: Tensor, shift: Tensor, beside_it: Tensor | None, above: int, below: int) -> Tensor:
        lit = F.silu(torch.addcmul(shift, part, scale))
        out = F.conv2d(F.pad(lit, (1, 1, above, below)), conv.weight, conv.bias)
        return out if beside is None or beside_it is None else beside(beside_it) + out

    return _over_strips(strip, x, rows, scale, shift, other=other)


def _upsample(layer: Upsample, x: Tensor, rows: int) -> Tensor:
    if 2 * x.shape[2] <= rows:
        return layer(x)
    conv = layer.conv

    def strip(part: Tensor, _: Tensor | None, above: int, below: int) -> Tensor:
        large = F.interpolate(part, scale_factor=2.0, mode="nearest")
        # the neighbour's row became two, of which the nearer is read
        large = large[:, :, 1 - above : large.shape[2] - (1 - below)]
        return F.conv2d(F.pad(large, (1, 1, above, below)), conv.weight, conv.bias)

    return _over_strips(strip, x, max(1, rows // 2))


def _over_strips(
    strip: Callable[..., Tensor], x: Tensor, rows: int, *more: Tensor, other: Tensor | None = None
) -> Tensor:
    """strip(part of x with one row above and below, *more, the same part of `other` without them, above, below) for
    every part of `rows` rows, put together; above, below: 1 where the map ends and there is no such row, else 0."""
    height, parts = x.shape[2], []
    for first in range(0, height, rows):
        last = min(first + rows, height)
        above, below = int(first == 0), int(last == height)
        part = x[:, :, first - 1 + above : last + 1 - below]
        beside = None if other is None else other[:, :, first:last]
        parts.append(_unkept(strip, part, *more, beside, above, below))
    return torch.cat(parts, 2)


def _unkept(function: Callable[..., Any], *args: Any) -> Any:
    """function(*args), of which backward keeps the arguments only and computes the rest again."""
    if not torch.is_grad_enabled():
        return function(*args)
    return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)


def affine(norm: Norm, x: Tensor) -> tuple[Tensor, Tensor]:
    """What GroupNorm does to x [B, C, h, w] as x * scale + shift, each [B, C, 1, 1], of x's dtype; from statistics in
    float32 at least."""
    wide, groups = torch.promote_types(x.dtype, torch.float32), norm.num_groups

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.var_mean(x.to(wide).unflatten(1, (groups, -1)), (2, 3, 4), correction=0)  # [B, G]

    var, mean = _unkept(moments, x)
    scale = (var + norm.eps).rsqrt().repeat_interleave(x.shape[1] // groups, 1) * norm.weight.to(wide)
    shift = norm.bias.to(wide) - mean.repeat_interleave(x.shape[1] // groups, 1) * scale
    return scale[..., None, None].to(x.dtype), shift[..., None, None].to(x.dtype)
