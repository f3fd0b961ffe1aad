"""CLIP architectures with random weights: as fast or slow as real ones, and nothing to download.

They are good for times. What they think of a picture means nothing, but two loops that do the same with one of them
still come to the same loss.
"""

from __future__ import annotations

import logging

import open_clip
import torch

from fastclipgen.errors import UserError
from fastclipgen.perceptors import as_perceptor, names
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.perceptors.frozen import simplify
from fastclipgen.perceptors.open_clip import OpenClipModel

PREFIX = "random:"


def random_perceptor(name: str, seed: int) -> FrozenPerceptor:
    """The architecture of `name`, random:ARCHITECTURE, with weights drawn from `seed`. Raises UserError."""
    arch = names.architecture(name.removeprefix(PREFIX))
    config = open_clip.get_model_config(arch) or {}
    if config.get("text_cfg", {}).get("hf_tokenizer_name"):
        raise UserError(f"'{name}' needs a tokenizer that must be downloaded; take another architecture, ViT-B-32 say")
    silencer = logging.NullHandler()  # without a handler open_clip's warning would install one for the program
    logging.getLogger().addHandler(silencer)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = open_clip.create_model(arch, pretrained=None)
    finally:
        logging.getLogger().removeHandler(silencer)
    simplify(model.eval().get_submodule("visual"))  # as one that is loaded
    return as_perceptor(OpenClipModel(model, open_clip.get_tokenizer(arch), f"{arch} ({name} {seed})", print))
