"""From the options of `fastclipgen train` to a finished model: resume, train, write the weights and what they reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from fastclipgen.engine.compiled import obstacle
from fastclipgen.errors import UserError
from fastclipgen.training import processes
from fastclipgen.training.files import replace_file
from fastclipgen.training.loop import Task, Training, TrainOptions

REPAID_FROM = 300  # steps, by torch.compile


def multiplies_bf16() -> bool:
    """Whether this processor has matrix instructions for bfloat16 (AMX or AVX-512 BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether a training computes in bfloat16: "auto" where the device multiplies it fast."""
    if precision == "auto":
        return torch.cuda.is_bf16_supported() if device.type == "cuda" else multiplies_bf16()
    return precision == "bf16"


def compiles(asked: str, steps: int, device: torch.device) -> bool:
    """Whether torch.compile is used: "auto" where it can be and the steps repay it. Raises UserError for "on" where it
    cannot be."""
    why_not = obstacle(device)
    if asked == "on" and why_not:
        raise UserError(f"--compile on cannot be: {why_not}; use --compile off")
    return asked == "on" or (asked == "auto" and steps >= REPAID_FROM and why_not is None)


def device_of(name: str) -> torch.device:
    """The device that --device names; "auto": a GPU where there is one. Raises UserError where there is none."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("--device cuda needs an NVIDIA GPU and a torch made for it, there is none; use --device cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and there) else "cpu")


def check_options(steps: int, batch: int, learning_rate: float, least: int = 8) -> None:
    """Raises UserError for no steps, fewer than `least` pictures, a learning rate that is not positive."""
    if steps < 1 or batch < least or not 0 < learning_rate < 1:
        raise UserError(
            f"expected --steps of 1 or more, --batch of {least} or more and a --learning-rate between 0 and 1, "
            f"got {steps}, {batch} and {learning_rate}"
        )


def check_alone(model: str) -> None:
    """Raises UserError where torchrun started several processes, for a model that one process trains."""
    if processes.started_together() > 1:
        raise UserError(
            f"'{model}' is trained by one process, torchrun started {processes.started_together()}; "
            "start it without torchrun"
        )


def make_task(model: str, options: TrainOptions, bf16: bool, refine: Path | None = None) -> Task:
    """The task of the model "vae" or "clip"."""
    if model == "vae":
        from fastclipgen.training.vae import VAETask

        return VAETask(options, bf16=bf16)
    from fastclipgen.training.clip import CLIPTask

    return CLIPTask(options, bf16=bf16, refine=refine)


def train(
    model: str,
    out: Path,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int = 0,
    threads: int = 0,
    precision: str = "auto",
    evaluate_every: int = 500,
    save_every: int = 250,
    tensorboard: bool = False,
    fresh: bool = False,
    quiet: bool = False,
    refine: Path | None = None,
) -> dict[str, float]:
    """Train `model` ("clip" or "vae") on the shapes world into the folder `out`.

    refine: for "clip", the checkpoint of a finished run to improve (see training.clip).
    Goes on from the folder's checkpoint unless `fresh`. Writes shapes_<model>.safetensors (fp16) and metrics.json, and
    returns the metrics of the written weights on held-out pictures. Raises UserError for options that cannot be: no
    steps, no pictures, a learning rate that is not positive, another run's checkpoint.
    """
    check_options(steps, batch, learning_rate)
    check_alone(model)
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        evaluate_every=evaluate_every,
        save_every=save_every,
        warmup=min(200, steps // 10 + 1),
    )
    bf16 = uses_bf16(precision, torch.device("cpu"))
    if refine is not None and not refine.is_file():
        raise UserError(f"expected --refine to name the checkpoint of a finished run, but there is no file '{refine}'")
    task = make_task(model, options, bf16, refine)
    record = {"model": model, "data": "shapes", "refined": refine is not None, "precision": "bf16" if bf16 else "fp32"}
    return carry_out(task, options, out, f"shapes_{model}", record, tensorboard=tensorboard, fresh=fresh, quiet=quiet)


def carry_out(
    task: Task,
    options: TrainOptions,
    out: Path,
    name: str,
    record: dict[str, Any],
    *,
    tensorboard: bool = False,
    fresh: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train `task` into the folder `out`, going on from its checkpoint unless `fresh`. Writes NAME.safetensors and
    metrics.json, which begins with `record`, and returns the metrics of the written weights ({} in all processes but
    the first). Raises UserError."""
    first = processes.rank() == 0
    log = None
    if tensorboard and first:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("--tensorboard needs tensorboard: run pip install 'fastclipgen[train]'") from error
        log = SummaryWriter(str(out)).add_scalar
    training = Training(task, options, out, log)
    if not fresh and training.resume() and first and not quiet:
        print(f"going on from step {training.step} of {options.steps}")
    training.run(quiet)
    if not first:
        return {}
    metrics = task.export(training.average, out / f"{name}.safetensors")
    card = json.dumps({**record, "options": vars(options), "held_out": metrics}, indent=1) + "\n"
    replace_file(out / "metrics.json", lambda file: file.write(card.encode()))
    return metrics
