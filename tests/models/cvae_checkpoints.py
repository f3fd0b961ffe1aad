"""CVAEs of random weights: ours, and state dicts of Text2ImageClip's, made from a description of its layers alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from fastclipgen.models.about import About
from fastclipgen.models.cvae import ClipCVAE, Geometry
from fastclipgen.models.cvae_dialects import KEY
from fastclipgen.training.export import save_half

SMALL = Geometry(side=16, latent=6, attributes=3, embedding=5, channels=(8, 12))
ABOUT = About(SMALL, ("a", "b", "c"), "builtin")
WIDTHS = (64, 128, 256, 512)


def text2image_clip(seed: int, widths: tuple[int, ...] = WIDTHS, embedding: int = 512, latent: int = 128,
                    bottom: int = 4) -> dict[str, Tensor]:  # fmt: skip
    """Random weights under its names, with a tensor of the CLIP that its files contain too."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 0.05) -> Tensor:
        return scale * torch.randn(shape, generator=draw)

    found: dict[str, Tensor] = {"clip_model.logit_scale": torch.tensor(4.6)}

    def norm(name: str, width: int) -> None:
        found.update({
            f"{name}.weight": 1 + normal(width), f"{name}.bias": normal(width),
            f"{name}.running_mean": normal(width), f"{name}.running_var": 1 + normal(width).abs(),
            f"{name}.num_batches_tracked": torch.tensor(7),
        })  # fmt: skip

    condition, flat = 40 + embedding, widths[-1] * bottom**2
    inside = 3 + condition
    for level, width in enumerate(widths):
        place = 0 if level == 0 else 3 * level - 1
        found |= {f"encoder.{place}.weight": normal(width, inside, 4, 4), f"encoder.{place}.bias": normal(width)}
        if level:
            norm(f"encoder.{place + 1}", width)
        inside = width
    for name, shape in {
        "fc_mu": (latent, flat), "fc_logvar": (latent, flat), "decoder_input": (flat, latent + condition)
    }.items():  # fmt: skip
        found |= {f"{name}.weight": normal(*shape), f"{name}.bias": normal(shape[0])}
    for level, width in enumerate([*widths[-2::-1], 3]):
        place = 3 * level
        found |= {f"decoder.{place}.weight": normal(inside, width, 4, 4), f"decoder.{place}.bias": normal(width)}
        if level < len(widths) - 1:
            norm(f"decoder.{place + 1}", width)
        inside = width
    return found


def made(geometry: Geometry = SMALL, seed: int = 0) -> ClipCVAE:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return ClipCVAE(geometry).eval()


def uniform(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def write(path: Path, embedding: int = 128, seed: int = 0) -> None:
    """A file as `train cvae` writes it, for embeddings of the built-in CLIP."""
    about = replace(ABOUT, geometry=replace(SMALL, embedding=embedding, decoder="upsampled"))
    model = made(about.geometry, seed)
    model.decoder_input.weight.data *= 4  # random weights hardly listen
    save_half(dict(model.state_dict()), path, about.metadata(KEY))
