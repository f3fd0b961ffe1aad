"""From the options of `fastclipgen train vqgan` to a finished VQGAN."""

from __future__ import annotations

from pathlib import Path

import torch

from fastclipgen.data.source import open_source
from fastclipgen.errors import UserError
from fastclipgen.models.vqgan import Geometry
from fastclipgen.models.vqgan_layers import CHANNELS
from fastclipgen.training import processes
from fastclipgen.training.codebook import CodeOptions
from fastclipgen.training.run import carry_out, check_options, compiles, device_of, uses_bf16
from fastclipgen.training.task import TrainOptions
from fastclipgen.training.vq_losses import open_perceptual
from fastclipgen.training.vqgan import VQGANOptions, VQGANTask

FREE = 0.15  # of the steps nothing is quantised, unless said otherwise
RESTARTS_END = 0.75  # of the steps
LEAST_JUDGED = 24  # pixels of a picture's side


def train_vqgan(
    out: Path,
    *,
    data: str = "shapes",
    size: int = 64,
    steps: int,
    batch: int,
    learning_rate: float,
    geometry: Geometry,
    codebook: str = "ema",
    commitment: float = 0.25,
    restart_every: int = 25,
    codes_from: int | None = None,
    start: str = "auto",
    perceptual: str = "none",
    perceptual_weights: Path | None = None,
    adversarial: float = 0.0,
    discriminator_start: int = 0,
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
    """Train a VQGAN on `data` (see data.source.open_source) into the folder `out`; what the options mean is said by
    `fastclipgen train vqgan --help`. Under torchrun the processes share each step's batch.

    Goes on from the folder's checkpoint unless `fresh`. Writes DATA_vqgan.safetensors (fp16), metrics.json and what
    the loop writes, and returns the metrics of the written weights. Raises UserError for options that cannot be.
    """
    check_options(steps, batch, learning_rate, least=1)
    check_geometry(geometry, size, start)
    if not 0 <= ema < 1:
        raise UserError(f"expected --ema from 0 to below 1, got {ema}; 0.999 is usual")
    if not (adversarial >= 0 and commitment >= 0):
        raise UserError(f"expected --adversarial and --commitment of 0 or more, got {adversarial} and {commitment}")
    if adversarial and size < LEAST_JUDGED:
        raise UserError(
            f"expected --size of {LEAST_JUDGED} or more with --adversarial, for its discriminator's patches, got {size}"
        )
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=learning_rate, weight_decay=0.0, warmup=min(200, steps // 10 + 1),
        ema=ema, seed=seed, evaluate_every=evaluate_every, save_every=save_every,
    )  # fmt: skip
    if start == "auto":
        start = "random" if geometry.channels % 3 else "pyramid"
    codes = CodeOptions(
        codebook,
        commitment,
        restart_every=restart_every,
        start=int(steps * FREE) if codes_from is None else codes_from,
        restart_until=int(steps * RESTARTS_END),
    )
    chosen = VQGANOptions(geometry, codes, adversarial, discriminator_start, start=start, perceptual=perceptual)
    with processes.together(device_of(device)) as place:
        bf16 = uses_bf16(precision, place)
        compiled = compiles(compile, steps, place)
        source = open_source(data, size, seed, batch)
        distance = open_perceptual(perceptual, perceptual_weights, place)
        task = VQGANTask(options, chosen, source, perceptual=distance, device=place, bf16=bf16, compiled=compiled)
        kind = data.partition(":")[0]
        record = {"model": "vqgan", "data": data, "precision": "bf16" if bf16 else "fp32", **task.recipe.settings}
        return carry_out(task, options, out, f"{kind}_vqgan", record, tensorboard=tensorboard, fresh=fresh, quiet=quiet)


def check_geometry(geometry: Geometry, size: int, start: str = "random") -> None:
    """Raises UserError for a VQGAN that cannot be made, begin so, or take pictures of `size`
    pixels."""
    g = geometry
    if not g.multipliers:
        raise UserError("expected one or more --multipliers, got none; 1,2,4 is usual for 64 pixels")
    if g.channels < 1 or g.channels % CHANNELS or min(g.multipliers) < 1:
        raise UserError(
            f"expected --channels of a multiple of {CHANNELS} and --multipliers of 1 or more, got {g.channels} and "
            f"{','.join(map(str, g.multipliers))}"
        )
    if start == "pyramid" and g.channels % 3:
        raise UserError(f"--start pyramid takes --channels of a multiple of 3, got {g.channels}; use --start random")
    if size < g.factor or size % g.factor:
        raise UserError(
            f"expected --size of a multiple of {g.factor}, the pixels along a token with {len(g.multipliers)} "
            f"--multipliers, got {size}"
        )
    if not all(0 <= level < len(g.multipliers) for level in g.attention):
        raise UserError(
            f"expected --attention of levels from 0 (finest) to {len(g.multipliers) - 1}, got "
            f"{','.join(map(str, g.attention))}"
        )
