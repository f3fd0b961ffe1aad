"""A VQGAN with random weights: as fast or slow as a real one, and nothing to download."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from fastclipgen.models.vqgan import VQGAN, Geometry


def write_vqgan(path: Path, geometry: Geometry | None = None) -> Path:
    """A checkpoint under taming-transformers' names, which `--vqgan` takes; by default of the geometry of
    vqgan_imagenet_f16_16384. Returns its path, which ends in .safetensors."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VQGAN(geometry or Geometry())
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    return path
