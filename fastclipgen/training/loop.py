"""The one training loop: AdamW, warm-up and cosine, EMA, exact resume, metrics. Knows nothing of any model or data set.

Checkpoints are written beside the metrics, atomically, and on Ctrl-C or SIGTERM after the step at hand. Several
processes (training/processes.py) share each step's batch; the first one alone evaluates and writes.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import writing_errors
from fastclipgen.stop import Stop
from fastclipgen.training import processes
from fastclipgen.training.files import add_metrics, forget_metrics_after, save_atomically, save_picture
from fastclipgen.training.steps import learning_rate, seeded
from fastclipgen.training.task import Recipe, Task, TrainOptions, WithRecipe

__all__ = ["Task", "TrainOptions", "Training", "learning_rate", "save_atomically"]


class Training:
    """One run in one folder: `checkpoint.pt` (the latest), `best.pt` where the task says what is good, `metrics.jsonl`
    (a line per report), and `samples/` where the task has pictures to show."""

    def __init__(
        self, task: Task, options: TrainOptions, folder: Path, log: Callable[[str, float, int], None] | None = None
    ):
        self.task, self.options, self.folder, self.log = task, options, folder, log
        self.recipe = task.recipe if isinstance(task, WithRecipe) else Recipe()
        groups = self.recipe.groups or _usual_groups(task.model, options.weight_decay)
        self.optimizer = _adamw(groups, options, self.recipe.betas)
        self.partners = {
            name: _adamw([{"params": trained, "weight_decay": p.weight_decay, "rate": p.rate}], options, p.betas)
            for name, p in self.recipe.partners.items()
            if (trained := _trained(p.module))
        }
        self.average = deepcopy(task.model).eval().requires_grad_(False)
        self.step = 0
        self.best: float | None = None
        self._torn = False  # whether some networks have taken a step that is not done
        self.writes = processes.rank() == 0
        with writing_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def _metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    def save(self, path: Path | None = None) -> None:
        """Everything that a resumed run needs, as the latest checkpoint or under another name."""
        if not self.writes:
            return
        state = {
            "options": asdict(self.options), "settings": self.recipe.settings, "step": self.step,
            "model": self.task.model.state_dict(), "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(), "best": self.best,
            "partners": {name: partner.module.state_dict() for name, partner in self.recipe.partners.items()},
            "partner_optimizers": {name: optimizer.state_dict() for name, optimizer in self.partners.items()},
        }  # fmt: skip
        save_atomically(state, path or self.checkpoint)

    def resume(self) -> bool:
        """Load the folder's checkpoint if there is one. UserError where it belongs to other options."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        changed = _changed(state["options"], asdict(self.options))
        changed += _changed(state.get("settings", {}), self.recipe.settings)
        if changed:
            raise UserError(
                f"{self.checkpoint} was made with another {', '.join(changed)}; "
                "resume with the same options, choose another folder, or start again with --fresh"
            )
        self.task.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, partner in self.recipe.partners.items():
            partner.module.load_state_dict(state["partners"][name])
        for name, optimizer in self.partners.items():
            optimizer.load_state_dict(state["partner_optimizers"][name])
        self.step, self.best = state["step"], state.get("best")
        if self.writes:
            forget_metrics_after(self._metrics, self.step)
        return True

    def report(self, values: dict[str, float]) -> None:
        if not self.writes:
            return
        add_metrics(self._metrics, self.step, values)
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
        for group in (group for optimizer in self._optimizers for group in optimizer.param_groups):
            group["lr"] = rate * group.get("rate", 1.0)
        self.task.model.train()
        values: dict[str, Tensor] = {}
        together = [self.optimizer]
        with seeded(self.options.seed, self.step):
            for name, optimizer in self.partners.items():
                partner = self.recipe.partners[name]
                if partner.loss is None:
                    together.append(optimizer)
                    continue
                for turn in range(partner.turns):
                    loss, said = partner.loss(self.step, turn)
                    self._move(loss, [optimizer])
                    values |= said
            loss, said = self.task.loss(self.step)
            norms = self._move(loss, together)
        self.step += 1
        self._update_average()
        self._torn = False
        return {"loss": loss.detach(), "gradient_norm": norms[0], **values, **said}

    @property
    def _optimizers(self) -> list[torch.optim.AdamW]:
        return [self.optimizer, *self.partners.values()]

    def _move(self, loss: Tensor, optimizers: list[torch.optim.AdamW]) -> list[Tensor]:
        """One step of each of these by the loss; how long their gradients were, 0-d each. No gradient is left."""
        loss.backward()
        norms = []
        for optimizer in optimizers:
            trained = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            processes.average(p.grad for p in trained if p.grad is not None)
            self._torn = True
            norms.append(nn.utils.clip_grad_norm_(trained, self.options.clip_norm).detach())
            optimizer.step()
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        return norms

    def run(self, quiet: bool = False) -> dict[str, float]:
        """Train to the end and return the metrics of the averaged weights on held-out data; {} where another process
        measures them. Ctrl-C ends it by KeyboardInterrupt, SIGTERM by SystemExit, both after the step at hand; where
        several processes train, which would wait for one another, at once."""
        options, started, metrics = self.options, time.perf_counter(), {}
        silent = quiet or not self.writes
        stop = Stop(lambda line: None if silent else tqdm.write(line, file=sys.stderr))
        bars = tqdm(total=options.steps, initial=self.step, disable=silent, smoothing=0.05, mininterval=2)
        try:
            with stop if processes.count() == 1 else nullcontext(), bars as bar:
                while self.step < options.steps and not stop.asked:
                    values = self.run_step()
                    bar.update()
                    if self.step % 50 == 0 or self.step == options.steps:
                        read = self._read(values)
                        bar.set_postfix(loss=f"{read['loss']:.4f}")
                        self.report({**read, "seconds": time.perf_counter() - started})
                    if self.step % options.evaluate_every == 0 or self.step == options.steps:
                        metrics = self._evaluate(quiet)
                    if self.step % options.save_every == 0:
                        self.save()
        finally:
            if not self._torn:  # else some of the networks have taken a step that others have not: the last one counts
                self.save()
        if stop.asked:
            raise KeyboardInterrupt if stop.signal == signal.SIGINT else SystemExit(stop.exit_code)
        return metrics or (self.task.evaluate(self.average) if self.writes else {})

    def _read(self, values: dict[str, Tensor]) -> dict[str, float]:
        """The values of a step as numbers, means over the processes. UserError for a loss that is not finite."""
        tensors = torch.stack([value.double() for value in values.values()])
        processes.average([tensors])
        read = dict(zip(values, tensors.tolist(), strict=True))
        if not math.isfinite(read["loss"]):
            raise UserError(f"the loss became {read['loss']} at step {self.step}; use a smaller --learning-rate")
        return read

    def _evaluate(self, quiet: bool) -> dict[str, float]:
        """Metrics, pictures, and the best checkpoint so far, by the first process; the others go on and wait for it."""
        if not self.writes:
            return {}
        metrics = self.task.evaluate(self.average)
        self.report(metrics)
        if not quiet:
            tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in {"step": self.step, **metrics}.items()))
        if self.recipe.sheet:
            save_picture(self.recipe.sheet(self.average), self.folder / "samples" / f"{self.step:07}.png")
        if self.recipe.best:
            value = metrics[self.recipe.best.metric]
            if self.best is None or (value > self.best if self.recipe.best.largest else value < self.best):
                self.best = value
                self.save(self.folder / "best.pt")
        return metrics


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def _usual_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and convolutions decay, vectors do not."""
    trained = _trained(model)
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _adamw(groups: list[dict[str, Any]], options: TrainOptions, betas: tuple[float, float]) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=betas, fused=True)


def _changed(stored: dict[str, Any], given: dict[str, Any]) -> list[str]:
    return sorted(name for name in stored.keys() | given.keys() if stored.get(name) != given.get(name))
