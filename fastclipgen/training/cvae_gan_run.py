"""From the options of `fastclipgen train cvae-gan` to a finished CVAE."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from fastclipgen.errors import UserError
from fastclipgen.training.cvae_gan import CVAEGANTask, Game
from fastclipgen.training.cvae_run import train_cvae
from fastclipgen.training.feature_discriminator import SHRINKS


def train_cvae_gan(
    out: Path,
    *,
    pixels: float = Game.pixels,
    features: float = Game.features,
    gamma: float = Game.gamma,
    discriminator_channels: int = Game.discriminator_channels,
    rests_below: float = Game.rests_below,
    size: int = 64,
    **options: Any,
) -> dict[str, float]:
    """Train a CVAE against a discriminator into the folder `out`. options: those of cvae_run.train_cvae, whose files it
    writes (DATA_cvae-gan.safetensors is a CVAE's). Raises UserError for options that cannot be."""
    for name, value in (("pixels", pixels), ("features", features), ("gamma", gamma), ("rests-below", rests_below)):
        if not (math.isfinite(value) and value >= 0):
            raise UserError(f"--{name} must be 0 or more, got {value}")
    if not pixels + features > 0:
        raise UserError("nothing is compared with --pixels 0 and --features 0; give one of them a weight")
    if size % SHRINKS:
        raise UserError(f"expected a --size of a multiple of {SHRINKS} for the discriminator, got {size}")
    game = Game(pixels, features, gamma, discriminator_channels, rests_below)
    return train_cvae(out, model="cvae-gan", size=size, make=partial(CVAEGANTask, game=game), **options)
