"""What is made, of tensors and finished objects: the recipe that all steps of a run follow, the task of some pictures.

Knows nothing of how a step is computed (step.py, sight.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from torch import Tensor

from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.engine.optimizers import Optimizer
from fastclipgen.engine.plateau import Plateau
from fastclipgen.generators.base import Generator, Params
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.guidance.edits import Edit
from fastclipgen.guidance.pulls import Pull
from fastclipgen.guidance.targets import Targets
from fastclipgen.ops.cutout_params import AnySpec
from fastclipgen.perceptors.base import FrozenPerceptor


@dataclass(frozen=True)
class Guide:
    """A perceptor in a run: its weight in the loss, how many views of each picture it sees, how they are drawn, and,
    where it sees a part of the picture only, which (1 in `spot` [1, 1, h, w] on the canvas; grey is elsewhere)."""

    perceptor: FrozenPerceptor
    weight: float
    views: int
    spec: AnySpec
    spot: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Recut:
    """Image prompts that are seen through the views of each step: R pictures [R, 3, h, w] on the canvas, and their
    weights and stops [R]. View n of a picture is compared with view n of each of them, at the same place."""

    images: Tensor
    weights: Tensor
    stops: Tensor


class Objective(Protocol):
    """A loss of the published pictures beside that of the guides, with perceptors of its own if it likes.

    A pure function of tensors that keeps rows apart and never waits for the host; whatever differs from picture to
    picture or from step to step it finds in the task.
    """

    def __call__(self, images: Tensor, task: Task, step: int | Tensor) -> Tensor:
        """The loss [B] of pictures [B, 3, H, W] in 0..1 at a step, differentiable."""
        ...

    def score(self, images: Tensor, task: Task, step: int | Tensor) -> tuple[Tensor, list[Tensor]]:
        """How well pictures [B, 3, H, W] do, seen whole and undisturbed: loss [B], and similarities [B, P] for each of
        its perceptors."""
        ...


class Retouch(Protocol):
    """What happens to the parameters before each step, such as post-processing; pure, rows apart, no host."""

    def __call__(self, params: Params, task: Task, step: int | Tensor) -> Params:
        """Parameters of the same names and shapes."""
        ...


@dataclass(frozen=True)
class Recipe:
    """Everything about a step that stays the same during a run."""

    generator: Generator
    guides: tuple[Guide, ...]
    optimizer: Optimizer
    loss: str = "cosine"  # one of KINDS in ops.cosine_loss
    prompt_mean: bool = True  # divide by the number of prompts, as Direct Ascent Synthesis does; False: add them up
    constraints: tuple[Constraint, ...] = ()
    pulls: tuple[Pull, ...] = ()
    recut: Recut | None = None  # not for guides that see a spot
    edits: tuple[Edit, ...] = ()  # those due before the same step happen in this order
    ema: Ema = field(default_factory=Ema)
    best: KeepBest | None = None
    plateau: Plateau | None = None  # not with ema, which would go on when a picture is over
    deterministic: bool = False
    shared_seed: int = 0  # keys the shifts that all pictures of a run have in common
    objective: Objective | None = None  # added to the guides' loss
    retouch: Retouch | None = None


class Task(NamedTuple):
    """What B pictures are to become. start, mask: [B, 3, h, w] and [B, 1, h, w] on the generator's canvas, or None;
    origin: the generator's latent [B, ...] that the run began with, or None; fixed: what a conditional generator reads
    beside its parameters, [B, ...] each, or None; tables: what an objective or a retouch reads, [B, ...] each, or None.
    """

    seeds: Tensor  # int64 [B]
    targets: tuple[Targets, ...]  # one for each guide
    start: Tensor | None = None  # what constraints compare with, and what shows where the mask is 0
    mask: Tensor | None = None  # 1 where the picture may change
    origin: Tensor | None = None  # what pulls without a goal of their own draw to
    fixed: Params | None = None
    tables: dict[str, Tensor] | None = None

    def rows(self, index: Tensor | slice) -> Task:
        """The task of the pictures `index` (int64 [M]); of a slice, in the same memory."""
        targets = tuple(target.at(index) for target in self.targets)
        start, mask, origin = (None if x is None else x[index] for x in (self.start, self.mask, self.origin))
        fixed, tables = (
            None if x is None else {name: value[index] for name, value in x.items()} for x in (self.fixed, self.tables)
        )
        return Task(self.seeds[index], targets, start, mask, origin, fixed, tables)
