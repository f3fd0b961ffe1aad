"""Random weights of a tiny member of the TAESD family, and what they mean, written down a second time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]
WIDTH, POOLED = 8, 12


def _conv(random: torch.Generator, outside: int, inside: int, side: int = 3) -> Tensor:
    return torch.randn(outside, inside, side, side, generator=random) * (inside * side * side) ** -0.5


def _block(weights: Weights, number: int, pooled: bool, random: torch.Generator) -> None:
    for place in (0, 2, 4):
        weights[f"{number}.conv.{place}.weight"] = _conv(random, WIDTH, WIDTH)
        weights[f"{number}.conv.{place}.bias"] = 0.1 * torch.randn(WIDTH, generator=random)
    if pooled:
        weights[f"{number}.pool.0.weight"] = _conv(random, POOLED, WIDTH, 1)
        weights[f"{number}.pool.1.weight"] = 1 + 0.1 * torch.randn(POOLED, generator=random)
        weights[f"{number}.pool.1.bias"] = 0.1 * torch.randn(POOLED, generator=random)
        weights[f"{number}.pool.3.weight"] = _conv(random, WIDTH, POOLED, 1)


def decoder(channels: int = 4, pooled: bool = False, seed: int = 0) -> Weights:
    """Factor 4. 0 tanh, 1 conv, 2 ReLU, 3 block, 4 twice the size, 5 conv, 6 block, 7 twice, 8 conv, 9 conv."""
    random, weights = torch.Generator().manual_seed(seed), {}
    weights["1.weight"], weights["1.bias"] = _conv(random, WIDTH, channels), torch.zeros(WIDTH)
    _block(weights, 3, pooled, random)
    weights["5.weight"] = _conv(random, WIDTH, WIDTH)
    _block(weights, 6, False, random)
    weights["8.weight"] = _conv(random, WIDTH, WIDTH)
    weights["9.weight"], weights["9.bias"] = 0.15 * _conv(random, 3, WIDTH), torch.full((3,), 0.5)
    return weights


def encoder(channels: int = 4, pooled: bool = False, seed: int = 1) -> Weights:
    """Factor 4. 0 conv, 1 block, 2 conv of stride 2, 3 block, 4 conv of stride 2, 5 block, 6 conv."""
    random, weights = torch.Generator().manual_seed(seed), {}
    weights["0.weight"], weights["0.bias"] = _conv(random, WIDTH, 3), torch.zeros(WIDTH)
    _block(weights, 1, False, random)
    weights["2.weight"] = _conv(random, WIDTH, WIDTH)
    _block(weights, 3, False, random)
    weights["4.weight"] = _conv(random, WIDTH, WIDTH)
    _block(weights, 5, pooled, random)
    weights["6.weight"], weights["6.bias"] = _conv(random, channels, WIDTH), torch.zeros(channels)
    return weights


def _plain_block(w: Weights, number: int, x: Tensor) -> Tensor:
    if f"{number}.pool.0.weight" in w:
        h = F.conv2d(x, w[f"{number}.pool.0.weight"])
        groups = h.reshape(len(h), 4, -1)
        groups = (groups - groups.mean(2, keepdim=True)) / (groups.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
        h = groups.reshape(h.shape)
        h = h * w[f"{number}.pool.1.weight"][:, None, None] + w[f"{number}.pool.1.bias"][:, None, None]
        x = x + F.conv2d(h.clamp(min=0), w[f"{number}.pool.3.weight"])
    h = x
    for place in (0, 2, 4):
        h = F.conv2d(h, w[f"{number}.conv.{place}.weight"], w[f"{number}.conv.{place}.bias"], padding=1)
        h = h.clamp(min=0) if place < 4 else h
    return (h + x).clamp(min=0)


def plain_decode(weights: Weights, latents: Tensor) -> Tensor:
    w = {name: value.double() for name, value in weights.items()}
    x = 3 * torch.tanh(latents.double() / 3)
    x = F.conv2d(x, w["1.weight"], w["1.bias"], padding=1).clamp(min=0)
    for block, conv in ((3, 5), (6, 8)):
        x = _plain_block(w, block, x).repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = F.conv2d(x, w[f"{conv}.weight"], padding=1)
    return F.conv2d(x, w["9.weight"], w["9.bias"], padding=1)


def plain_encode(weights: Weights, images: Tensor) -> Tensor:
    w = {name: value.double() for name, value in weights.items()}
    x = F.conv2d(images.double(), w["0.weight"], w["0.bias"], padding=1)
    for block, conv in ((1, 2), (3, 4)):
        x = F.conv2d(_plain_block(w, block, x), w[f"{conv}.weight"], stride=2, padding=1)
    return F.conv2d(_plain_block(w, 5, x), w["6.weight"], w["6.bias"], padding=1)
