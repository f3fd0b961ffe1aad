"""Checkpoints of Text2ImageClip's conditional WGAN, made from a description of its layers and not from our classes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fastclipgen.models.about import About
from fastclipgen.models.wgan import Generator, Geometry
from fastclipgen.models.wgan_dialects import KEY
from fastclipgen.training.export import save_half

SMALL = Geometry(side=16, latent=6, attributes=3, embedding=5, channels=8)
ABOUT = About(SMALL, ("a", "b", "c"))


def text2image_clip(
    seed: int, widths: tuple[int, ...] = (1024, 512, 256, 128), attributes: int = 40, biases: bool = False
) -> dict[str, Tensor]:
    """Random weights of the generator and one of the critic, as weights.checkpoint reads them; the layers' names are
    made up, for they are not known. biases: of convolutions before norms too."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 0.1) -> Tensor:
        return scale * torch.randn(shape, generator=draw)

    found: dict[str, Tensor] = {}
    inside = 100 + attributes
    for level, width in enumerate(widths):
        name = f"generator_state_dict.net.{level}"
        found[f"{name}.0.weight"] = normal(inside, width, 4, 4)
        if biases:
            found[f"{name}.0.bias"] = normal(width)
        found |= {
            f"{name}.1.weight": 1 + normal(width), f"{name}.1.bias": normal(width),
            f"{name}.1.running_mean": normal(width), f"{name}.1.running_var": 1 + normal(width).abs(),
            f"{name}.1.num_batches_tracked": torch.tensor(7),
        }  # fmt: skip
        inside = width
    found |= {"generator_state_dict.last.weight": normal(inside, 3, 4, 4), "generator_state_dict.last.bias": normal(3)}
    return found | {"critic_state_dict.embed.weight": normal(80, 16)}


def made(geometry: Geometry = SMALL) -> Generator:
    """An untrained generator whose pictures are as lively as a trained one's."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = Generator(geometry).eval()
    kernels = [parameter for parameter in model.parameters() if parameter.ndim == 4]
    for kernel in kernels:
        kernel.data *= 8
    kernels[-1].data *= 16
    return model


def write(path: Path, embedding: int) -> None:
    """One of ours, with an embedding of that length and no attributes."""
    geometry = Geometry(16, 6, 0, embedding, channels=4, critic_channels=4)
    save_half(made(geometry).state_dict(), path, About(geometry, (), "builtin").metadata(KEY))
