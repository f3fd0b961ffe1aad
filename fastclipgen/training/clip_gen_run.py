"""From the options of `fastclipgen train clip-gen` to a finished transformer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from fastclipgen.errors import UserError
from fastclipgen.training import processes
from fastclipgen.training.clip_gen_presets import preset
from fastclipgen.training.clip_gen_setup import ClipGenOptions, decided, make_clip_gen
from fastclipgen.training.run import carry_out, check_options, compiles, device_of, uses_bf16
from fastclipgen.training.task import TrainOptions


def train_clip_gen(
    out: Path,
    *,
    steps: int,
    batch: int,
    learning_rate: float | None = None,
    weight_decay: float = 0.01,
    warmup: int | None = None,
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
    **asked: Any,
) -> dict[str, float]:
    """Train CLIP-GEN's transformer into the folder `out`; what the options mean is said by
    `fastclipgen train clip-gen --help`. Under torchrun the processes share each step's batch.

    asked: fields of clip_gen_setup.ClipGenOptions. What is left out or None is as the preset of the transformer has it
    (clip_gen_presets.py). Goes on from the folder's checkpoint and cache unless `fresh`. Writes
    DATA_clip_gen.safetensors (fp16), metrics.json and what the loop writes, and returns the metrics of the written
    weights. Raises UserError for options that cannot be.
    """
    chosen = decided(asked)
    usual = preset(chosen.transformer)
    rate = usual.learning_rate(batch) if learning_rate is None else learning_rate
    check_options(steps, batch, rate, least=1)
    check_shares(chosen, weight_decay, ema)
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=rate, weight_decay=weight_decay,
        warmup=math.ceil(steps * usual.warmup) if warmup is None else warmup, ema=ema, seed=seed,
        evaluate_every=evaluate_every, save_every=save_every,
    )  # fmt: skip
    with processes.together(device_of(device)) as place:
        processes.places(batch)  # said before anything is computed
        bf16 = uses_bf16(precision, place)
        compiled = compiles(compile, steps, place)
        task = make_clip_gen(options, chosen, out, bf16=bf16, compiled=compiled, device=place, fresh=fresh, quiet=quiet)
        kind = chosen.data.partition(":")[0]
        record = {
            "model": "clip-gen",
            "data": chosen.data,
            "precision": "bf16" if bf16 else "fp32",
            **task.recipe.settings,
        }
        name = f"{kind}_clip_gen"
        return carry_out(task, options, out, name, record, tensorboard=tensorboard, fresh=fresh, quiet=quiet)


def check_shares(asked: ClipGenOptions, weight_decay: float, ema: float) -> None:
    """Raises UserError for a number outside its range."""
    from_0, below_1, to_1 = (0.0, math.inf), (0.0, math.nextafter(1.0, 0.0)), (0.0, 1.0)
    for name, value, (least, most), range_ in (
        ("dropout", asked.dropout, below_1, "0 or more and below 1"),
        ("condition-noise", asked.condition_noise, from_0, "0 or more"),
        ("condition-dropout", asked.condition_dropout, to_1, "0 to 1"),
        ("weight-decay", weight_decay, from_0, "0 or more"),
        ("ema", ema, below_1, "0 or more and below 1"),
    ):
        if not (math.isfinite(value) and least <= value <= most):
            raise UserError(f"--{name} must be {range_}, got {value}")
