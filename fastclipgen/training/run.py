"""From the options of `fastclipgen train` to a finished model: resume, train, write the weights and what they reach."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from fastclipgen.errors import UserError
from fastclipgen.training.loop import Task, Training, TrainOptions


def multiplies_bf16() -> bool:
    """Whether this processor has matrix instructions for bfloat16 (AMX or AVX-512 BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


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
    if steps < 1 or batch < 8 or not 0 < learning_rate < 1:
        raise UserError(
            f"expected --steps of 1 or more, --batch of 8 or more and a --learning-rate between 0 and 1, "
            f"got {steps}, {batch} and {learning_rate}"
        )
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
    bf16 = precision == "bf16" or (precision == "auto" and multiplies_bf16())
    if refine is not None and not refine.is_file():
        raise UserError(f"expected --refine to name the checkpoint of a finished run, but there is no file '{refine}'")
    task = make_task(model, options, bf16, refine)
    log = None
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("--tensorboard needs tensorboard: run pip install 'fastclipgen[train]'") from error
        log = SummaryWriter(str(out)).add_scalar
    training = Training(task, options, out, log)
    if not fresh and training.resume() and not quiet:
        print(f"going on from step {training.step} of {steps}")
    training.run(quiet)
    metrics = task.export(training.average, out / f"shapes_{model}.safetensors")
    record = {
        "model": model,
        "data": "shapes",
        "refined": refine is not None,
        "precision": "bf16" if bf16 else "fp32",
        "options": vars(options),
    }
    (out / "metrics.json").write_text(json.dumps({**record, "held_out": metrics}, indent=1) + "\n")
    return metrics
