"""Random CLIP-GEN weights so small that sampling takes a moment, and the CLIP that goes with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fastclipgen.models.transformer import Geometry, Transformer

from ..models.vqgan_checkpoints import Sizes, taming

SIZES = Sizes(widths=(32, 32, 64), blocks=1, attention=())
GRID, SIDE = 4, 16
GEOMETRY = Geometry(layers=2, width=64, heads=1, vocabulary=SIZES.codes, block=GRID * GRID, condition=27)


def transformer(geometry: Geometry = GEOMETRY, guided: bool = False) -> Transformer:
    """Weights that all matter; `guided`: as if trained with condition dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Transformer(geometry, null_condition=torch.randn(geometry.condition) if guided else None)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def write(folder: Path, name: str = "tiny.safetensors", **options: object) -> Path:
    """A transformer's file."""
    path = folder / name
    save_file({key: value.contiguous() for key, value in transformer(**options).state_dict().items()}, path)  # type: ignore[arg-type]
    return path


def write_vqgan(folder: Path, name: str = "tiny.ckpt", sizes: Sizes = SIZES) -> Path:
    """The file of the VQGAN that belongs to it."""
    path = folder / name
    torch.save({"state_dict": taming(0, sizes)}, path)
    return path


class Eye(nn.Module):
    """A CLIP that sees nine patches; a text is 27 numbers that follow from its letters."""

    image_size = 16
    name = "eye"

    def encode_image(self, views: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(views - 0.5, 3).flatten(1)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [np.random.default_rng(list(text.encode())).standard_normal(27) for text in texts]
        return torch.from_numpy(np.array(rows)).float()
