"""The one training loop: AdamW, warm-up and cosine, EMA, exact resume, metrics. Knows nothing of any model or data set.

A task gives the loss of step i, and draws everything random in it from the number i: so a run that was stopped, killed
or saved goes on exactly where it was. Checkpoints are written beside the metrics, atomically, and on Ctrl-C.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fastclipgen.errors import UserError


class Task(Protocol):
    """What the loop needs of a model in training."""

    @property
    def model(self) -> nn.Module: ...

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of step `step` (0-d) and values to report (0-d, detached)."""
        ...

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Metrics of `model` (the average of weights) on held-out data."""
        ...

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """Write `model` as the file that ships and return the metrics of that file."""
        ...


@dataclass(frozen=True)
class TrainOptions:
    """How long and how fast; stored in the checkpoint, which only resumes under the same ones."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.02
    warmup: int = 200
    ema: float = 0.999
    clip_norm: float = 1.0
    seed: int = 0
    evaluate_every: int = 500
    save_every: int = 250


def learning_rate(step: int, options: TrainOptions) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak."""
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    done = (step - options.warmup) / max(1, options.steps - options.warmup)
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """torch.save to a temporary name in the same folder, then a rename: a kill leaves the old file or the new one."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class Training:
    """One run in one folder: `checkpoint.pt` and `metrics.jsonl` (a line per report)."""

    def __init__(
        self, task: Task, options: TrainOptions, folder: Path, log: Callable[[str, float, int], None] | None = None
    ):
        self.task, self.options, self.folder, self.log = task, options, folder, log
        decay = [p for p in task.model.parameters() if p.requires_grad and p.ndim >= 2]
        rest = [p for p in task.model.parameters() if p.requires_grad and p.ndim < 2]
        groups = [{"params": decay, "weight_decay": options.weight_decay}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98), fused=True)
        self.average = deepcopy(task.model).eval().requires_grad_(False)
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        state = {
            "options": asdict(self.options), "step": self.step, "model": self.task.model.state_dict(),
            "average": self.average.state_dict(), "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        save_atomically(state, self.checkpoint)

    def resume(self) -> bool:
        """Load the folder's checkpoint if there is one. UserError where it belongs to other options."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, weights_only=True)
        if state["options"] != asdict(self.options):
            changed = sorted(k for k, v in asdict(self.options).items() if state["options"].get(k) != v)
            raise UserError(
                f"{self.checkpoint} was made with another {', '.join(changed)}; "
                "resume with the same options, choose another folder, or start again with --fresh"
            )
        self.task.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self._forget_later_metrics()
        return True

    def _forget_later_metrics(self) -> None:
        path = self.folder / "metrics.jsonl"
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if json.loads(line)["step"] <= self.step]
            path.write_text("".join(line + "\n" for line in kept))

    def report(self, values: dict[str, float]) -> None:
        with open(self.folder / "metrics.jsonl", "a") as file:
            file.write(json.dumps({"step": self.step, **{k: round(v, 6) for k, v in values.items()}}) + "\n")
        if self.log:
            for name, value in values.items():
                self.log(name, value, self.step)

    def _update_average(self) -> None:
        keep = min(self.options.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.task.model.parameters(), strict=True):
                mean.lerp_(value.float() if mean.dtype == torch.float32 else value, 1 - keep)
            for mean, value in zip(self.average.buffers(), self.task.model.buffers(), strict=True):
                mean.copy_(value)

    def run_step(self) -> dict[str, Tensor]:
        rate = learning_rate(self.step, self.options)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.task.model.train()
        loss, values = self.task.loss(self.step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.task.model.parameters(), self.options.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._update_average()
        return {"loss": loss.detach(), "gradient_norm": norm.detach(), **values}

    def run(self, quiet: bool = False) -> dict[str, float]:
        """Train to the end and return the metrics of the averaged weights on held-out data."""
        options, started, metrics = self.options, time.perf_counter(), {}
        try:
            with tqdm(total=options.steps, initial=self.step, disable=quiet, smoothing=0.05, mininterval=2) as bar:
                while self.step < options.steps:
                    values = self.run_step()
                    bar.update()
                    if self.step % 50 == 0 or self.step == options.steps:
                        read = {k: float(v) for k, v in values.items()}
                        if not math.isfinite(read["loss"]):
                            raise UserError(
                                f"the loss became {read['loss']} at step {self.step}; use a smaller --learning-rate"
                            )
                        bar.set_postfix(loss=f"{read['loss']:.4f}")
                        self.report({**read, "seconds": time.perf_counter() - started})
                    if self.step % options.evaluate_every == 0 or self.step == options.steps:
                        metrics = self.task.evaluate(self.average)
                        self.report(metrics)
                        tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in {"step": self.step, **metrics}.items()))
                    if self.step % options.save_every == 0:
                        self.save()
        finally:
            self.save()
        return metrics or self.task.evaluate(self.average)
