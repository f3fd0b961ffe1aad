"""Start pictures that show nothing: noise and ramps, of which each picture draws its own.

What programs of the VQGAN+CLIP kind offer as `init_noise`. A start of little structure leaves a guide more to say than
a photograph does, and one with clouds or ramps gives it something to hold on to. Knows nothing of what is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fastclipgen.errors import unknown
from fastclipgen.ops.philox import Stream, uniforms

LATTICE = 32  # cells along a side, of the coarsest octave
LEAST_SIDE = 256  # smaller pictures are pieces of a texture of this side


def noise_start(kind: str, seeds: Tensor, height: int, width: int) -> Tensor:
    """Pictures float32 [B, 3, height, width] in 0..1 on the device of `seeds`, int64 [B]; picture b depends on seeds[b]
    alone. `kind` is one of `NOISES`; UserError for another."""
    if kind not in NOISES:
        raise unknown("kind of noise", kind, NOISES)
    return NOISES[kind](seeds, height, width)


def white(seeds: Tensor, height: int, width: int) -> Tensor:
    """Paper."""
    return torch.ones(len(seeds), 3, height, width, device=seeds.device)


def snow(seeds: Tensor, height: int, width: int) -> Tensor:
    """Every value of every pixel uniform and by itself."""
    return uniforms(seeds, 0, Stream.NOISE_START, height * width, 3).unflatten(2, (height, width))


def gradient(seeds: Tensor, height: int, width: int) -> Tensor:
    """Linear ramps as of clipit: red from 0 at the left to anything at the right, green from 0 at the top to anything
    at the bottom, blue from anything at the top to anything up to a half at the bottom."""
    red, green, blue, low = uniforms(seeds, 0, Stream.NOISE_START, 4)[:, 0, :, None, None].unbind(1)  # [B, 1, 1] each
    across = torch.linspace(0, 1, width, device=seeds.device)  # [W]
    down = torch.linspace(0, 1, height, device=seeds.device)[:, None]  # [H, 1]
    planes = red * across, green * down, torch.lerp(blue, low / 2, down)
    return torch.stack([plane.expand(-1, height, width) for plane in planes], 1)


def perlin(seeds: Tensor, height: int, width: int) -> Tensor:
    """Clouds: fractal noise by K. Perlin ("Improving noise", SIGGRAPH 2002), one for each channel, stretched to 0..1
    and then in contrast by m^2 / (m^2 + (1-m)^2), as clipit has it.

    The coarsest cells are 1/32 of a side, which is that of the picture up to the next power of two and no less than
    256; octaves of half the size and half the weight follow down to cells of one pixel.
    """
    cell = 2 ** math.ceil(math.log2(max(height, width, LEAST_SIDE))) // LATTICE
    total, octave = None, 0
    while cell >= 1:
        plane = _lattice_noise(seeds, octave, cell, height, width) * 0.5**octave
        total = plane if total is None else total + plane
        cell, octave = cell // 2, octave + 1
    assert total is not None, "cells are never smaller than a pixel at first"
    low, high = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    # a picture of one pixel has nothing to stretch, and is grey
    even = torch.where(high > low, (total - low) / (high - low).clamp_min(1e-12), 0.5)
    middle = 0.9998 * even + 0.0001
    return middle.square() / (middle.square() + (1 - middle).square())


def _lattice_noise(seeds: Tensor, octave: int, cell: int, height: int, width: int) -> Tensor:
    """Gradient noise [B, 3, height, width] on a lattice of `cell` pixels, with slopes in all directions."""
    rows, cols = -(-height // cell) + 1, -(-width // cell) + 1  # corners
    angles = uniforms(seeds, octave, Stream.NOISE_START, rows * cols, 3).unflatten(2, (rows, cols)) * (2 * math.pi)
    slopes = torch.stack([angles.sin(), angles.cos()], 2)  # [B, 3, 2, rows, cols], down and across
    (top, y), (left, x) = _places(height, cell, seeds.device), _places(width, cell, seeds.device)
    y = y[:, None]

    def corner(down: int, right: int) -> Tensor:
        """What the slope at one corner of each pixel's cell gives there."""
        near = slopes[..., top + down, :][..., left + right]  # [B, 3, 2, H, W]
        return near[:, :, 0] * (y - down) + near[:, :, 1] * (x - right)

    upper = torch.lerp(corner(0, 0), corner(0, 1), _ease(x))
    return torch.lerp(upper, torch.lerp(corner(1, 0), corner(1, 1), _ease(x)), _ease(y))


def _places(side: int, cell: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The cell of every pixel along a side, int64 [side], and where in it the pixel's centre lies, 0..1 [side]. At the
    corners themselves gradient noise is 0, so that the smallest cells would say nothing there."""
    pixel = torch.arange(side, device=device)
    return pixel // cell, (pixel % cell + 0.5) / cell


def _ease(t: Tensor) -> Tensor:
    """Perlin's fade 6t^5 - 15t^4 + 10t^3, which has no slope and no curvature at 0 and 1."""
    return t * t * t * (t * (6 * t - 15) + 10)


NOISES: dict[str, Callable[[Tensor, int, int], Tensor]] = {
    "pixels": snow, "snow": snow, "perlin": perlin, "gradient": gradient, "white": white,
}  # fmt: skip
"""Two names are of one noise: what nerdyrodent calls pixels is clipit's snow, whose pixels in turn are perlin here."""
