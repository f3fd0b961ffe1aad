"""One step of the ascent, as a pure function of tensors: parameters in, better parameters and the loss out.

images <- generator; views <- cutouts; embeddings <- perceptors; loss <- targets and constraints; gradients of the
parameters only (all weights are frozen); optimiser; projection. Nothing here waits for the host or loops over pictures
or views. Knows nothing of files, progress or how long a run is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from fastclipgen.engine.ema import BestState, Ema, EmaState, KeepBest
from fastclipgen.engine.optimizers import Optimizer, Sgd, State
from fastclipgen.generators.base import Generator, Params
from fastclipgen.guidance.constraints import Constraint, total
from fastclipgen.guidance.targets import Targets
from fastclipgen.ops.cosine_loss import cosine_loss
from fastclipgen.ops.cutout_params import CutoutSpec, preset, sample_cutouts
from fastclipgen.ops.cutouts import cutouts
from fastclipgen.perceptors.base import FrozenPerceptor


@dataclass(frozen=True)
class Guide:
    """A perceptor in a run: its weight in the loss, how many views of each picture it sees, and how they are drawn."""

    perceptor: FrozenPerceptor
    weight: float
    views: int
    spec: CutoutSpec


@dataclass(frozen=True)
class Recipe:
    """Everything about a step that stays the same during a run."""

    generator: Generator
    guides: tuple[Guide, ...]
    optimizer: Optimizer
    loss: str = "cosine"  # one of KINDS in ops.cosine_loss
    prompt_mean: bool = True  # divide by the number of prompts, as Direct Ascent Synthesis does; False: add them up
    constraints: tuple[Constraint, ...] = ()
    ema: Ema = field(default_factory=Ema)
    best: KeepBest | None = None
    deterministic: bool = False
    shared_seed: int = 0  # keys the shifts that all pictures of a run have in common


class Task(NamedTuple):
    """What B pictures are to become. start, mask: [B, 3, h, w] and [B, 1, h, w] on the generator's canvas, or None."""

    seeds: Tensor  # int64 [B]
    targets: tuple[Targets, ...]  # one for each guide
    start: Tensor | None = None  # what constraints compare with, and what shows where the mask is 0
    mask: Tensor | None = None  # 1 where the picture may change

    def rows(self, index: Tensor) -> Task:
        """The task of the pictures `index` (int64 [M])."""
        targets = tuple(Targets(t.embeddings[index], t.weights[index], t.stops[index]) for t in self.targets)
        start, mask = (None if x is None else x[index] for x in (self.start, self.mask))
        return Task(self.seeds[index], targets, start, mask)


class RunState(NamedTuple):
    """What a step changes. `alive`: bool [B], False once a picture's loss or gradient was not finite; `last`: the
    parameters of each picture that last had a finite loss (at first those of the start)."""

    params: Params
    last: Params
    optimizer: State
    ema: EmaState | None
    best: BestState | None
    alive: Tensor

    def rows(self, index: Tensor) -> RunState:
        """The state of the pictures `index` (int64 [M]), in memory of its own. Counters have no rows."""
        return tree_map_only(Tensor, lambda x: x[index] if x.ndim else x.clone(), self)


def begin(recipe: Recipe, params: Params) -> RunState:
    """The state before the first step. No two of its tensors are one: compiled code would notice that they part."""
    batch, device = next((p.shape[0], p.device) for p in params.values())
    return RunState(
        {key: value.contiguous() for key, value in params.items()},
        {key: value.clone(memory_format=torch.contiguous_format) for key, value in params.items()},
        recipe.optimizer.init(params),
        recipe.ema.init(params) if recipe.ema.enabled else None,
        recipe.best.init(params) if recipe.best else None,
        torch.ones(batch, dtype=torch.bool, device=device),
    )


def canvas(recipe: Recipe, task: Task, params: Params) -> Tensor:
    """What the cutouts see, [B, 3, h, w], with the start picture where the mask forbids a change."""
    drawn = recipe.generator.canvas(params)
    if task.mask is None or task.start is None:
        return drawn
    return torch.lerp(task.start, drawn, task.mask)


def guided_loss(recipe: Recipe, task: Task, images: Tensor, step: int | Tensor, guides: Sequence[Guide]) -> Tensor:
    """The prompts' loss of each canvas, [B]; the views of guide k draw their numbers as step * len(guides) + k."""
    loss = None
    for k, (guide, targets) in enumerate(zip(guides, task.targets, strict=True)):
        views = draw_views(recipe, task, guide, images, step * len(guides) + k)
        loss, _ = prompt_loss(recipe, guide, targets, views, images.shape[0], loss)
    return images.new_zeros(images.shape[0]) if loss is None else loss


def draw_views(recipe: Recipe, task: Task, guide: Guide, images: Tensor, number: int | Tensor) -> Tensor:
    """What a guide sees of each canvas, [B*N, 3, S, S] or as patches where it takes such; `number` keys the draws."""
    eye, (height, width) = guide.perceptor, images.shape[2:]
    params = sample_cutouts(
        guide.spec, task.seeds, number, guide.views, height, width, eye.image_size, recipe.shared_seed
    )
    return cutouts(images, params, eye.image_size, eye.mean, eye.std, eye.dtype, recipe.deterministic, eye.patch)


def prompt_loss(
    recipe: Recipe, guide: Guide, targets: Targets, views: Tensor, batch: int, total: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`total` [B] with the loss of a guide's views [B*n, 3, S, S], any number of each picture's, and their similarities
    [B, n, P]."""
    return cosine_loss(
        guide.perceptor.encode_image(views).unflatten(0, (batch, -1)),
        targets.embeddings,
        targets.weights,
        targets.stops,
        recipe.loss,
        prompt_mean=recipe.prompt_mean,
        scale=guide.weight,
        total=total,
    )


def forward(recipe: Recipe, task: Task, params: Params, step: int | Tensor) -> tuple[Tensor, Tensor]:
    """The loss [B] and the canvas [B, 3, h, w] of the parameters, differentiable."""
    images = canvas(recipe, task, params)
    loss = guided_loss(recipe, task, images, step, recipe.guides)
    if recipe.constraints:
        loss = loss + total(recipe.constraints, images, task.start)
    return loss, images


class Slope(NamedTuple):
    """Which way is down: the gradient of every parameter, and the loss [B] and canvas [B, 3, h, w] it was taken at."""

    grads: Params
    loss: Tensor
    images: Tensor


Forward = Callable[[Recipe, Task, Params, "int | Tensor"], tuple[Tensor, Tensor]]


def slope(recipe: Recipe, task: Task, params: Params, step: int | Tensor, forward: Forward = forward) -> Slope:
    """The slope at `params`. `forward`: this module's, or the same compiled."""
    leaves = {key: value.detach().requires_grad_() for key, value in params.items()}
    with torch.enable_grad():
        loss, images = forward(recipe, task, leaves, step)
        found = torch.autograd.grad(loss.sum(), list(leaves.values()))
    return Slope(dict(zip(leaves, found, strict=True)), loss.detach(), images.detach())


@torch.no_grad()
def move(recipe: Recipe, state: RunState, grads: Params, loss: Tensor, lr: Tensor) -> RunState:
    """The state one step down the slope.

    A picture whose loss or gradient is not finite goes back to the last parameters with a finite loss and stays there.
    """
    seen = state.alive & loss.isfinite()
    last = {key: torch.where(_rows(seen, value), value, state.last[key]) for key, value in state.params.items()}
    alive = seen
    for gradient in grads.values():
        alive = alive & gradient.flatten(1).isfinite().all(1)
    if isinstance(recipe.optimizer, Sgd):
        grads = recipe.generator.precondition(grads)
    best = recipe.best.update(state.best, loss, state.params) if recipe.best and state.best else None
    moved, optimizer = recipe.optimizer.update(state.params, grads, state.optimizer, lr)
    moved = recipe.generator.project(moved)
    kept = {key: torch.where(_rows(alive, value), value, last[key]) for key, value in moved.items()}
    ema = recipe.ema.update(state.ema, kept) if state.ema is not None else None
    return RunState(kept, last, optimizer, ema, best, alive)


def take_step(
    recipe: Recipe, task: Task, state: RunState, step: int | Tensor, lr: Tensor
) -> tuple[RunState, Tensor, Tensor]:
    """The state after one step, the loss [B] and the canvas [B, 3, h, w] before it."""
    down = slope(recipe, task, state.params, step)
    return move(recipe, state, down.grads, down.loss, lr), down.loss, down.images


def finish(recipe: Recipe, state: RunState) -> Params:
    """The parameters to publish: the best if kept, else the average if asked for, else the last."""
    if recipe.best and state.best is not None:
        return recipe.best.read(state.best, state.params)
    if state.ema is not None:
        return recipe.ema.read(state.ema, state.params)
    return state.params


@torch.no_grad()
def score(recipe: Recipe, task: Task, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """How well pictures [B, 3, H, W] do, seen whole and undisturbed: loss [B] and, per guide, similarities [B, P]."""
    batch, _, height, width = images.shape
    loss, similarities = None, []
    for guide, targets in zip(recipe.guides, task.targets, strict=True):
        eye = guide.perceptor
        params = sample_cutouts(preset("plain"), task.seeds, 0, 1, height, width, eye.image_size)
        views = cutouts(images, params, eye.image_size, eye.mean, eye.std, eye.dtype, recipe.deterministic, eye.patch)
        loss, similar = prompt_loss(recipe, guide, targets, views, batch, loss)
        similarities.append(similar[:, 0])
    return images.new_zeros(batch) if loss is None else loss, similarities


def fit_spec(spec: CutoutSpec, generator: Generator, size: int) -> CutoutSpec:
    """The spec for this generator and perceptor: whole-pixel crops where the picture has the perceptor's size, and
    crops of the same share of the canvas, resampled, where it has another."""
    if not spec.integer_shift or generator.height == generator.width == size:
        return spec
    side = min(generator.height, generator.width) / min(generator.canvas_size)
    return replace(spec, integer_shift=False, shared_shift=False, crop=(side, side))


def _rows(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *(1,) * (like.ndim - 1))
