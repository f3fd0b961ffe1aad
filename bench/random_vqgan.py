"""VQGANs with random weights: as fast or slow as real ones, and nothing to download."""

from __future__ import annotations

import torch

from fastclipgen.errors import unknown
from fastclipgen.models.vqgan import VQGAN, Geometry

PREFIX = "random:"
GEOMETRIES = {
    "f16-16384": Geometry(),  # of vqgan_imagenet_f16_16384
    "tiny": Geometry(channels=8, multipliers=(1, 2), attention=(1,), blocks=1, z_channels=8, embed=8, codes=40),
}


def random_vqgan(geometry: Geometry, device: torch.device, dtype: torch.dtype) -> VQGAN:
    """A frozen VQGAN of random weights whose decoder computes in `dtype`, laid out as the package does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = VQGAN(geometry).eval().requires_grad_(False)
        torch.nn.init.normal_(made.codebook)  # codes of length 16, not of 1/K: what is decoded has contrast
    made.draw_in(dtype)
    return made.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def geometry_of(name: str) -> Geometry:
    """That of random:NAME. Raises UserError."""
    key = name.removeprefix(PREFIX)
    if key not in GEOMETRIES:
        raise unknown("VQGAN of random weights", key, GEOMETRIES)
    return GEOMETRIES[key]
