"""From the options of `fastclipgen train fastgan` to a finished generator."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from fastclipgen.data.source import open_source
from fastclipgen.errors import UserError, unknown
from fastclipgen.models.fastgan import SIDES, SMALLEST, Geometry
from fastclipgen.perceptors.builtin import load_builtin
from fastclipgen.training.diff_augment import POLICIES
from fastclipgen.training.fastgan import FastGANOptions, FastGANTask
from fastclipgen.training.run import carry_out, check_alone, check_options, compiles, device_of, uses_bf16
from fastclipgen.training.task import TrainOptions
from fastclipgen.training.vq_losses import open_perceptual

SIZES = SIDES[SIDES.index(SMALLEST) :]
LEAST_BASE = 8  # at 1024 pixels the last map then has one channel
USUAL = ("color", "translation")  # for pictures that come again
CLIP_NORM = 100.0  # the original clips nothing; one gradient that is far too long would spoil Adam's moments for long


def train_fastgan(
    out: Path,
    *,
    data: str = "shapes",
    size: int = 64,
    steps: int,
    batch: int,
    learning_rate: float,
    channels: int = 64,
    latent: int = 256,
    judge_channels: int = 64,
    augment: str = "auto",
    flip: bool = False,
    reconstruction: float = 1.0,
    projected: float = 0.0,
    perceptual: str = "none",
    perceptual_weights: Path | None = None,
    ema: float = 0.999,
    seed: int = 0,
    threads: int = 0,
    device: str = "auto",
    precision: str = "auto",
    compile: str = "auto",
    evaluate_every: int = 500,
    save_every: int = 250,
    tensorboard: bool = False,
    fresh: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train a FastGAN on `data` (see data.source.open_source) into the folder `out`; what the options mean is said by
    `fastclipgen train fastgan --help`.

    Goes on from the folder's checkpoint unless `fresh`. Writes DATA_fastgan.safetensors (fp16), metrics.json and what
    the loop writes, and returns the metrics of the written weights. Raises UserError for options that cannot be.
    """
    check_options(steps, batch, learning_rate, least=1)
    check_alone("fastgan")
    check_widths(size, channels, judge_channels, latent)
    if not 0 <= ema < 1:
        raise UserError(f"expected --ema from 0 to below 1, got {ema}; 0.999 is usual")
    for name, weight in (("reconstruction", reconstruction), ("projected", projected)):
        if not 0 <= weight < math.inf:
            raise UserError(f"expected --{name} of 0 or more, got {weight}; 1 is usual")
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=learning_rate, weight_decay=0.0, warmup=min(200, steps // 10 + 1),
        ema=ema, clip_norm=CLIP_NORM, seed=seed, evaluate_every=evaluate_every, save_every=save_every,
    )  # fmt: skip
    place = device_of(device)
    bf16 = uses_bf16(precision, place)
    compiled = compiles(compile, steps, place)
    source = open_source(data, size, seed, batch)
    chosen = FastGANOptions(
        Geometry.usual(size, channels, latent), judge_channels, policy(augment, source.pictures is None), flip,
        reconstruction, projected, perceptual,
    )  # fmt: skip
    distance = open_perceptual(perceptual, perceptual_weights, place)
    eye = load_builtin(print).to(place, torch.float32)
    task = FastGANTask(options, chosen, source, eye, perceptual=distance, device=place, bf16=bf16, compiled=compiled)
    kind = data.partition(":")[0]
    record = {"model": "fastgan", "data": data, "precision": "bf16" if bf16 else "fp32", **task.recipe.settings}
    return carry_out(task, options, out, f"{kind}_fastgan", record, tensorboard=tensorboard, fresh=fresh, quiet=quiet)


def policy(text: str, endless: bool) -> tuple[str, ...]:
    """What --augment says. "auto": colour and translation, or nothing where no picture comes a second time, so that the
    discriminator cannot learn pictures by heart. Raises UserError for an unknown part."""
    if text == "auto":
        return () if endless else USUAL
    if text == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if part not in POLICIES:
            raise unknown("--augment", part, ("auto", "none", *POLICIES))
    return tuple(part for part in POLICIES if part in parts)


def check_widths(size: int, channels: int, judge_channels: int, latent: int) -> None:
    """Raises UserError for networks that cannot be made."""
    if size not in SIZES:
        raise UserError(f"expected --size of {', '.join(map(str, SIZES[:-1]))} or {SIZES[-1]}, got {size}")
    if min(channels, judge_channels) < LEAST_BASE:
        raise UserError(
            f"expected --channels and --judge-channels of {LEAST_BASE} or more, got {channels} and {judge_channels}"
        )
    if latent < 1:
        raise UserError(f"expected --latent of 1 or more, got {latent}; 256 is usual")
