"""A VQGAN that trains in moments; as a script, one of several processes that train it together."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from fastclipgen.data.source import ShapesSource
from fastclipgen.models.vqgan import Geometry
from fastclipgen.training import processes
from fastclipgen.training.codebook import CodeOptions
from fastclipgen.training.loop import Training, TrainOptions
from fastclipgen.training.vqgan import VQGANOptions, VQGANTask

SIZE, STEPS = 16, 4
GEOMETRY = Geometry(32, (1, 1), (), 1, 32, 8, 16)
OPTIONS = TrainOptions(
    steps=6, batch=4, learning_rate=1e-3, weight_decay=0.0, warmup=1, ema=0.9, seed=2, evaluate_every=2, save_every=2
)


def make(options: TrainOptions, adversarial: float = 0.8, learning: str = "ema", start: int = 1) -> VQGANTask:
    codes = CodeOptions(learning, restart_every=2, restart_until=2)
    chosen = VQGANOptions(GEOMETRY, codes, adversarial, start, discriminator_channels=8, discriminator_layers=2)
    return VQGANTask(options, chosen, ShapesSource(SIZE, options.seed, options.batch))


def curve(folder: Path) -> list[dict[str, float]]:
    """What the first steps report, and a checkpoint after them."""
    with processes.together(torch.device("cpu")):
        training = Training(make(OPTIONS), OPTIONS, folder)
        values = [training._read(training.run_step()) for _ in range(STEPS)]
        training.save()
    return values


if __name__ == "__main__":
    print(json.dumps(curve(Path(sys.argv[1]))))
