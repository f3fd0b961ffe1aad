"""From the options of `fastclipgen train` to a finished model: resume, train, export the weights and their card."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from fastclipgen.errors import UserError
from fastclipgen.training.loop import Task, Training, TrainOptions


def multiplies_bf16() -> bool:
    """Whether this processor has matrix instructions for bfloat16 (AMX or AVX-512 BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def make_task(model: str, options: TrainOptions, bf16: bool) -> Task:
    if model == "vae":
        from fastclipgen.training.vae import VAETask

        return VAETask(options, bf16=bf16)
    from fastclipgen.training.clip import CLIPTask

    return CLIPTask(options, bf16=bf16)


def train(
    model: str, data: str, out: Path, steps: int, batch: int, learning_rate: float, seed: int, threads: int, precision: str,
    evaluate_every: int, save_every: int, tensorboard: bool, fresh: bool, quiet: bool,
) -> dict[str, float]:  # fmt: skip
    """Train `model` ("clip" or "vae") and write `<out>/<model>.safetensors` (fp16) and `<out>/metrics.json`.

    Goes on from the folder's checkpoint unless `fresh`. Returns the metrics on held-out pictures. Raises UserError for
    options that cannot be: no steps, no pictures, a learning rate that is not positive, another run's checkpoint.
    """
    assert data == "shapes"
    if steps < 1 or batch < 2 or not 0 < learning_rate < 1:
        raise UserError(
            f"expected --steps >= 1, --batch >= 2 and --learning-rate in 0..1, got {steps}, {batch}, {learning_rate}"
        )
    if threads:
        torch.set_num_threads(threads)
    options = TrainOptions(
        steps=steps, batch=batch, learning_rate=learning_rate, seed=seed,
        evaluate_every=evaluate_every, save_every=save_every, warmup=min(200, steps // 10 + 1),
    )  # fmt: skip
    bf16 = precision == "bf16" or (precision == "auto" and multiplies_bf16())
    task = make_task(model, options, bf16)
    log = None
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "--tensorboard needs tensorboard; install it with `pip install fastclipgen[train]`"
            ) from error
        log = SummaryWriter(str(out)).add_scalar
    training = Training(task, options, out, log)
    if not fresh and training.resume() and not quiet:
        print(f"going on from step {training.step} of {steps}")
    metrics = training.run(quiet)
    weights = {k: v.half() if v.is_floating_point() else v for k, v in training.average.state_dict().items()}
    save_file({k: v.contiguous() for k, v in weights.items()}, out / f"{model}.safetensors")
    record = {
        "model": model,
        "data": data,
        "precision": "bf16" if bf16 else "fp32",
        "options": vars(options),
        "held_out": metrics,
    }
    (out / "metrics.json").write_text(json.dumps(record, indent=1) + "\n")
    return metrics
