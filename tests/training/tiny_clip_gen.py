"""A training of CLIP-GEN that takes a moment: random models of a few numbers, pictures of 16 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastclipgen.models.transformer import Geometry
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.perceptors.base import as_perceptor
from fastclipgen.training.clip_gen import ClipGenTask, Conditions, Pairs
from fastclipgen.training.task import TrainOptions
from fastclipgen.training.tokenizer import Tokenizer

from ..clip_gen.tiny import SIZES, Eye
from ..models.vqgan_checkpoints import taming

GEOMETRY = Geometry(layers=1, width=64, heads=1, vocabulary=SIZES.codes, block=16, condition=27)
OPTIONS = TrainOptions(
    steps=6, batch=4, learning_rate=0.01, warmup=2, ema=0.9, seed=3, evaluate_every=3, save_every=3, weight_decay=0.01
)


def tokenizer() -> Tokenizer:
    return Tokenizer(build(taming(0, SIZES), "tiny"), as_perceptor(Eye()), 16, torch.device("cpu"))


def pairs(count: int, seed: int = 0) -> Pairs:
    """Tokens that follow from the embedding's largest number and the token before."""
    random = np.random.default_rng(seed)
    embeddings = random.standard_normal((count, 27)).astype(np.float16)
    first = embeddings.argmax(1)[:, None]
    return Pairs(((first + np.arange(16)) % SIZES.codes).astype(np.uint16), embeddings)


def task(options: TrainOptions = OPTIONS, conditions: Conditions = Conditions(0.5, 0.3), **given: Any) -> ClipGenTask:  # noqa: B008
    chosen = {"dropout": 0.1, "bf16": False, "settings": {}} | given
    return ClipGenTask(options, GEOMETRY, tokenizer(), pairs(10), pairs(5, 1), conditions=conditions, **chosen)


def vqgan_file(folder: Path) -> Path:
    path = folder / "tiny.ckpt"
    torch.save({"state_dict": taming(0, SIZES)}, path)
    return path
