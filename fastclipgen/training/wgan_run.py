"""From the options of `fastclipgen train wgan-gp` to a finished generator."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from fastclipgen.errors import UserError
from fastclipgen.models.wgan import Geometry
from fastclipgen.perceptors.auto import resolve
from fastclipgen.training.conditions import Conditioned
from fastclipgen.training.cvae_run import Asked, open_told
from fastclipgen.training.run import carry_out, check_alone, check_options, device_of
from fastclipgen.training.task import TrainOptions
from fastclipgen.training.wgan import WGANOptions, WGANTask


def train_wgan(
    out: Path,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    size: int = 64,
    condition: str = "clip",
    clip: str = "builtin",
    latent: int = 100,
    channels: int = 16,
    critic_channels: int = 16,
    critic_steps: int = 5,
    penalty: float = 10.0,
    condition_dropout: float = 0.1,
    ema: float = 0.999,
    seed: int = 0,
    threads: int = 0,
    device: str = "auto",
    evaluate_every: int = 500,
    save_every: int = 250,
    tensorboard: bool = False,
    fresh: bool = False,
    quiet: bool = False,
    **pictures: Any,
) -> dict[str, float]:
    """Train a WGAN-GP into the folder `out`; what the options mean is said by `fastclipgen train wgan-gp --help`, and
    pictures are the fields of cvae_run.Asked that say which pictures.

    Goes on from the folder's checkpoint and cache unless `fresh`. Writes DATA_wgan.safetensors (the generator, fp16),
    metrics.json and what the loop writes, and returns the metrics of the written weights. Raises UserError for options
    that cannot be.
    """
    check_options(steps, batch, learning_rate, least=2)  # batch norms need two
    asked = Asked(size=size, condition=condition, clip=clip, **pictures)
    check(Geometry(size, latent, 0, 0, channels, critic_channels), penalty, condition_dropout, ema)
    check_alone("wgan-gp")
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=learning_rate, weight_decay=0.0, warmup=min(200, steps // 10 + 1),
        ema=ema, seed=seed, evaluate_every=evaluate_every, save_every=save_every,
    )  # fmt: skip
    place = device_of(device)
    told = open_told(asked, options, out, place, fresh=fresh, quiet=quiet)
    names, width = (told.attribute_names, told.width) if isinstance(told, Conditioned) else ((), 0)
    names = names if condition in ("attributes", "both") else ()
    [eye] = resolve([clip if width else "builtin"], place, torch.float32, print)
    geometry = Geometry(size, latent, len(names), width, channels, critic_channels)
    task = WGANTask(
        options,
        WGANOptions(geometry, penalty, critic_steps, condition_dropout),
        told,
        eye.perceptor,
        names=names,
        clip=clip if width else "",
        device=place,
    )
    kind = asked.data.partition(":")[0]
    record = {"model": "wgan-gp", "data": asked.data, **task.recipe.settings}
    return carry_out(task, options, out, f"{kind}_wgan", record, tensorboard=tensorboard, fresh=fresh, quiet=quiet)


def check(geometry: Geometry, penalty: float, condition_dropout: float, ema: float) -> None:
    """Raises UserError for networks that cannot be and numbers outside their range."""
    geometry.check()
    below_1 = math.nextafter(1.0, 0.0)
    for name, value, most, range_ in (
        ("penalty", penalty, math.inf, "0 or more; 10 is usual"),
        ("condition-dropout", condition_dropout, below_1, "0 or more and below 1"),
        ("ema", ema, below_1, "0 or more and below 1"),
    ):
        if not (math.isfinite(value) and 0 <= value <= most):
            raise UserError(f"--{name} must be {range_}, got {value}")
