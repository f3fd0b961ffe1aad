"""One step of the ascent, as a pure function of tensors: parameters in, better parameters and the loss out.

images <- generator; views <- cutouts; embeddings <- perceptors; loss <- targets and constraints; gradients of the
parameters only (all weights are frozen); optimiser; projection. Nothing here waits for the host or loops over pictures
or views. Knows nothing of files, progress or how long a run is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from fastclipgen.engine.ema import BestState, EmaState
from fastclipgen.engine.optimizers import Sgd, State
from fastclipgen.engine.plateau import PlateauState
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import guided_loss
from fastclipgen.generators.base import Generator, Params
from fastclipgen.guidance.constraints import total
from fastclipgen.guidance.pulls import needs_origin, pull_loss
from fastclipgen.ops.cutout_params import AnySpec, CutoutMix


class RunState(NamedTuple):
    """What a step changes. `alive`: bool [B], False once a picture's loss or gradient was not finite; `last`: the
    parameters of each picture that last had a finite loss (at first those of the start)."""

    params: Params
    last: Params
    optimizer: State
    ema: EmaState | None
    best: BestState | None
    alive: Tensor
    plateau: PlateauState | None = None

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
        recipe.plateau.init(batch, device) if recipe.plateau else None,
    )


def canvas(recipe: Recipe, task: Task, params: Params) -> Tensor:
    """What the cutouts see, [B, 3, h, w], with the start picture where the mask forbids a change."""
    drawn = recipe.generator.canvas(params if task.fixed is None else task.fixed | params)
    if task.mask is None or task.start is None:
        return drawn
    return torch.lerp(task.start, drawn, task.mask)


def forward(recipe: Recipe, task: Task, params: Params, step: int | Tensor) -> tuple[Tensor, Tensor]:
    """The loss [B] and the canvas [B, 3, h, w] of the parameters, differentiable."""
    images = canvas(recipe, task, params)
    loss = guided_loss(recipe, task, images, step, recipe.guides)
    held = unguided_loss(recipe, task, params, images, step)
    return loss if held is None else loss + held, images


def unguided_loss(recipe: Recipe, task: Task, params: Params, images: Tensor, step: int | Tensor) -> Tensor | None:
    """What constraints, pulls and the objective say of the canvas [B, 3, h, w] that `params` draw, [B]; None where
    there are none."""
    generator, loss = recipe.generator, None
    published = generator.publish(images)
    if recipe.constraints:
        loss = total(recipe.constraints, images, task.start, step, published)
    if recipe.pulls:
        latent = params[generator.latent] if generator.latent else None
        pulled = pull_loss(recipe.pulls, latent, published, task.origin, step)
        loss = pulled if loss is None else loss + pulled
    if recipe.objective is not None:
        own = recipe.objective(published, task, step)
        loss = own if loss is None else loss + own
    return loss


class Slope(NamedTuple):
    """Which way is down: the gradient of every parameter, and the loss [B] and canvas [B, 3, h, w] it was taken at."""

    grads: Params
    loss: Tensor
    images: Tensor


def with_origin(recipe: Recipe, task: Task, params: Params) -> Task:
    """The task with the latent of its first parameters, where pulls need it and it is not known yet."""
    if task.origin is not None or not needs_origin(recipe.pulls):
        return task
    assert recipe.generator.latent is not None, "pulls in a latent are for generators that have one"
    return task._replace(origin=params[recipe.generator.latent].detach().clone())


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
    plateau, moving = state.plateau, alive
    if recipe.plateau and plateau is not None:
        loss = torch.where(recipe.plateau.over(plateau), torch.inf, loss)  # luck with views makes nothing best any more
        plateau = recipe.plateau.update(plateau, loss)
        lr, moving = lr * recipe.plateau.factor(plateau), alive & ~recipe.plateau.over(plateau)
    best = recipe.best.update(state.best, loss, state.params) if recipe.best and state.best else None
    moved, optimizer = recipe.optimizer.update(state.params, grads, state.optimizer, lr)
    moved = recipe.generator.project(moved)
    kept = {key: torch.where(_rows(moving, value), value, last[key]) for key, value in moved.items()}
    ema = recipe.ema.update(state.ema, kept) if state.ema is not None else None
    return RunState(kept, last, optimizer, ema, best, alive, plateau)


@torch.no_grad()
def retouched(recipe: Recipe, task: Task, params: Params, step: int | Tensor) -> Params:
    """The parameters that the step begins with."""
    return params if recipe.retouch is None else recipe.retouch(params, task, step)


def take_step(
    recipe: Recipe, task: Task, state: RunState, step: int | Tensor, lr: Tensor
) -> tuple[RunState, Tensor, Tensor]:
    """The state after one step, the loss [B] and the canvas [B, 3, h, w] before it."""
    state = state._replace(params=retouched(recipe, task, state.params, step))
    down = slope(recipe, task, state.params, step)
    return move(recipe, state, down.grads, down.loss, lr), down.loss, down.images


def finish(recipe: Recipe, state: RunState) -> Params:
    """The parameters to publish: the best if kept, else the average if asked for, else the last."""
    if recipe.best and state.best is not None:
        return recipe.best.read(state.best, state.params)
    if state.ema is not None:
        return recipe.ema.read(state.ema, state.params)
    return state.params


def fit_spec(spec: AnySpec, generator: Generator, size: int) -> AnySpec:
    """The spec for this generator and perceptor: whole-pixel crops where the picture has the perceptor's size, and
    crops of the same share of the canvas, resampled, where it has another."""
    if isinstance(spec, CutoutMix) or not spec.integer_shift or generator.height == generator.width == size:
        return spec
    side = min(generator.height, generator.width) / min(generator.canvas_size)
    return replace(spec, integer_shift=False, shared_shift=False, crop=(side, side))


def _rows(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *(1,) * (like.ndim - 1))
