"""What the training loop needs to be told of a model: its task, how long, and what differs from the usual.

A task gives the loss of step i, and draws everything random in it from the number i (training/steps.py has helpers): so
a run that was stopped, killed or saved goes on exactly where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn


class Task(Protocol):
    """What the loop needs of a model in training."""

    @property
    def model(self) -> nn.Module: ...

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of step `step` (0-d) and values to report (0-d, detached).

        Among several processes: the mean over this one's share of the step's batch; the loop averages the gradients.
        """
        ...

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Metrics of `model` (the average of weights) on held-out data."""
        ...

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """Write `model` as the file that ships and return the metrics of that file."""
        ...


class Best(NamedTuple):
    """The metric of `Task.evaluate` by which best.pt is kept."""

    metric: str
    largest: bool = True


@dataclass
class Partner:
    """A module beside the model whose state belongs into the checkpoint: a discriminator, counts of codes.

    One with parameters that take gradients is trained too, by an optimiser of its own: `Task.loss` contains its loss,
    and keeps either loss from reaching the other's parameters. Or it has a `loss` of its own: then it takes `turns`
    steps by `loss(step, turn)`, each on the weights that the turn before left, before the model takes its step; what
    `Task.loss` leaves on its parameters is dropped.
    """

    module: nn.Module
    betas: tuple[float, float] = (0.5, 0.9)
    weight_decay: float = 0.0
    rate: float = 1.0  # of the learning rate
    loss: Callable[[int, int], tuple[Tensor, dict[str, Tensor]]] | None = None  # and values to report, as Task.loss
    turns: int = 1  # with a loss of its own


@dataclass
class Recipe:
    """What a task does otherwise than the loop by itself, which is AdamW with decay on matrices and nothing else."""

    betas: tuple[float, float] = (0.9, 0.98)
    groups: list[dict[str, Any]] | None = None  # of the optimiser, each {"params", "weight_decay"}; None: the usual two
    partners: dict[str, Partner] = field(default_factory=dict)
    best: Best | None = None
    sheet: Callable[[nn.Module], np.ndarray] | None = None  # pictures of a model, one uint8 [H, W, 3], at evaluations
    settings: dict[str, Any] = field(default_factory=dict)  # plain values; a checkpoint resumes under the same only


@runtime_checkable
class WithRecipe(Protocol):
    """A task that has a recipe; one without has the usual one."""

    @property
    def recipe(self) -> Recipe: ...


@dataclass(frozen=True)
class TrainOptions:
    """How long and how fast; stored in the checkpoint, which only resumes under the same ones."""

    steps: int
    batch: int  # pictures a step, of all processes together
    learning_rate: float
    weight_decay: float = 0.02
    warmup: int = 200
    ema: float = 0.999
    clip_norm: float = 1.0
    seed: int = 0
    evaluate_every: int = 500
    save_every: int = 250
