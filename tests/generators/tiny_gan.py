"""A small FastGAN of random weights, whose pictures are full of colour and unlike each other, as files hold it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastclipgen.generators.gan_networks import FastGans
from fastclipgen.models.fastgan import FastGAN, Geometry, settle

LATENT = 12
GEOMETRY = Geometry((16, 16, 12, 8), LATENT)  # sides 4 to 32


def network(seed: int = 0, geometry: Geometry = GEOMETRY, noise: float = 0.3) -> FastGAN:
    """The generator, with running statistics of its own. noise: the weight that it has there."""
    draw = torch.Generator().manual_seed(seed)
    model = FastGAN(geometry)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim == 4:
                fan = value[:, :1].numel() / 4 if name.startswith("init") else value[0].numel()
                value.copy_(torch.randn(value.shape, generator=draw) * (2 / fan) ** 0.5)
            elif value.shape == (1,):
                value.fill_(noise)
            else:
                value.copy_(0.3 * torch.randn(value.shape, generator=draw) + (1 if name.endswith("weight") else 0))
        z = torch.randn(64, geometry.latent, generator=draw)
        settle(model, [(part, model.noise(torch.arange(len(part)))) for part in z.split(16)])
        model.to_big.weight *= 0.35 / model.eval()(z).std()
    return model.requires_grad_(False)


def checkpoint(seed: int = 0) -> dict[str, Tensor]:
    """The weights alone, as our own training writes them."""
    return dict(network(seed).state_dict())


def all_file(seed: int = 0) -> dict[str, Any]:
    """A file of the original program: g, and in g_ema the parameters of another network, without statistics."""
    averages = [value.clone() for value in network(seed + 1).parameters()]
    return {"g": checkpoint(seed), "d": {"down.weight": torch.ones(1)}, "g_ema": averages}


def both(seed: int = 0) -> FastGans:
    """What is made of one with no average."""
    return FastGans(network(seed), None)
