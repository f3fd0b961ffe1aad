"""From the options of `fastclipgen train clip-gen` to a finished transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fastclipgen.errors import UserError
from fastclipgen.training import processes
from fastclipgen.training.clip_gen_setup import ClipGenOptions, make_clip_gen
from fastclipgen.training.run import carry_out, check_options, device_of, uses_bf16
from fastclipgen.training.task import TrainOptions


def train_clip_gen(
    out: Path,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    warmup: int = 200,
    ema: float = 0.999,
    seed: int = 0,
    threads: int = 0,
    device: str = "auto",
    precision: str = "auto",
    evaluate_every: int = 500,
    save_every: int = 250,
    tensorboard: bool = False,
    fresh: bool = False,
    quiet: bool = False,
    **asked: Any,
) -> dict[str, float]:
    """Train CLIP-GEN's transformer into the folder `out`; asked: the fields of clip_gen_setup.ClipGenOptions. What the
    options mean is said by `fastclipgen train clip-gen --help`. Under torchrun the processes share each step's batch.

    Goes on from the folder's checkpoint and cache unless `fresh`. Writes DATA_clip_gen.safetensors (fp16), metrics.json
    and what the loop writes, and returns the metrics of the written weights. Raises UserError for options that cannot
    be.
    """
    check_options(steps, batch, learning_rate, least=1)
    chosen = ClipGenOptions(**asked)
    check_shares(chosen, weight_decay, ema)
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=learning_rate, weight_decay=weight_decay,
        warmup=min(warmup, steps // 10 + 1), ema=ema, seed=seed, evaluate_every=evaluate_every, save_every=save_every,
    )  # fmt: skip
    with processes.together(device_of(device)) as place:
        processes.places(batch)  # said before anything is computed
        bf16 = uses_bf16(precision, place)
        task = make_clip_gen(options, chosen, out, bf16=bf16, device=place, fresh=fresh, quiet=quiet)
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
    numbers = {
        "dropout": (asked.dropout, 0 <= asked.dropout < 1, "0 or more and below 1"),
        "condition-noise": (asked.condition_noise, 0 <= asked.condition_noise < float("inf"), "0 or more"),
        "condition-dropout": (asked.condition_dropout, 0 <= asked.condition_dropout <= 1, "0 to 1"),
        "weight-decay": (weight_decay, 0 <= weight_decay < float("inf"), "0 or more"),
        "ema": (ema, 0 <= ema < 1, "0 or more and below 1"),
    }
    for name, (value, fits, range_) in numbers.items():
        if not fits:
            raise UserError(f"--{name} must be {range_}, got {value}")
