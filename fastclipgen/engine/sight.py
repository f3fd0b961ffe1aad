"""What the guides of a step see, and how far that is from what they are asked for.

Views of the canvas, of a spot in it, or of image prompts beside it, all by the same draws; then the prompts' loss.
Knows nothing of parameters or optimisers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from fastclipgen.engine.recipe import Guide, Recipe, Task
from fastclipgen.guidance.targets import Targets
from fastclipgen.ops.cosine_loss import cosine_loss
from fastclipgen.ops.cutout_params import AnySpec, preset, sample_cutouts
from fastclipgen.ops.cutouts import cutouts

GREY = 0.5  # what a guide that sees a spot sees elsewhere


class Sight(NamedTuple):
    """What a guide sees of B pictures, and what it is compared with at this step.

    views: [B*n, 3, S, S], or as patches where the guide takes such; active: bool [B, P], which targets count (None:
    all); beside: [B*n, R, ...] the same views of the image prompts that are cut anew, or None.
    """

    views: Tensor
    active: Tensor | None
    beside: Tensor | None

    def part(self, first: int, last: int) -> Sight:
        """Views first..last-1 of one picture (B = 1)."""
        return Sight(self.views[first:last], self.active, None if self.beside is None else self.beside[first:last])


def guided_loss(recipe: Recipe, task: Task, images: Tensor, step: int | Tensor, guides: Sequence[Guide]) -> Tensor:
    """The prompts' loss of each canvas, [B]; the views of guide k draw their numbers as step * len(guides) + k."""
    loss = None
    for k, (guide, targets) in enumerate(zip(guides, task.targets, strict=True)):
        sight = look(recipe, task, guide, targets, images, step, step * len(guides) + k)
        loss, _ = prompt_loss(recipe, guide, targets, sight, images.shape[0], loss)
    return images.new_zeros(images.shape[0]) if loss is None else loss


def look(
    recipe: Recipe,
    task: Task,
    guide: Guide,
    targets: Targets,
    images: Tensor,
    step: int | Tensor,
    number: int | Tensor,
    spec: AnySpec | None = None,
) -> Sight:
    """What a guide sees of each canvas at a step; `number` keys the draws.

    spec: None for the guide's views, else for one view each drawn so, of pictures [B, 3, H, W] of any size.
    """
    eye, (batch, _, height, width) = guide.perceptor, images.shape
    spec, views = (guide.spec, guide.views) if spec is None else (spec, 1)

    # what alternates from step to step does so for every guide
    params = sample_cutouts(spec, task.seeds, number, views, height, width, eye.image_size, recipe.shared_seed, step)

    def drawn(pictures: Tensor) -> Tensor:
        return cutouts(pictures, params, eye.image_size, eye.mean, eye.std, eye.dtype, recipe.deterministic, eye.patch)

    beside = None
    if recipe.recut is not None and guide.spot is None:
        with torch.no_grad():
            shown = _at_size(recipe, recipe.recut.images, height, width)[:, None].expand(-1, batch, -1, -1, -1)
            beside = torch.stack([drawn(pictures) for pictures in shown], 1)
    if guide.spot is not None:
        spot = _at_size(recipe, guide.spot, height, width)
        images = images * spot + GREY * (1 - spot)
    return Sight(drawn(images), targets.active(step), beside)


def _at_size(recipe: Recipe, canvas: Tensor, height: int, width: int) -> Tensor:
    """Something on the canvas [..., h, w] as the published pictures, or previews of them, have it."""
    if canvas.shape[2:] == (height, width):
        return canvas
    published = recipe.generator.publish(canvas)
    if published.shape[2:] == (height, width):
        return published
    return interpolate(published, (height, width), mode="bilinear", antialias=True)


def prompt_loss(
    recipe: Recipe, guide: Guide, targets: Targets, sight: Sight, batch: int, total: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`total` [B] with the loss of what a guide sees, any number of each picture's views, and their similarities
    [B, n, P]; with image prompts that are cut anew [B, n, R+P]."""
    options = {"kind": recipe.loss, "prompt_mean": recipe.prompt_mean}
    seen = guide.perceptor.encode_image(sight.views).unflatten(0, (batch, -1))  # [B, n, E]
    embeddings, weights, stops, active = targets.embeddings, targets.weights, targets.stops, sight.active
    if sight.beside is None or recipe.recut is None:
        return cosine_loss(seen, embeddings, weights, stops, active=active, scale=guide.weight, total=total, **options)
    views = seen.shape[1]
    with torch.no_grad():
        beside = guide.perceptor.encode_image(sight.beside.flatten(0, 1)).unflatten(0, sight.beside.shape[:2])
    # each view has targets of its own, so it goes as a picture with one view: [B*n, R+P, E]
    alike = batch * views, -1
    loss, similar = cosine_loss(
        seen.flatten(0, 1)[:, None],
        torch.cat([beside.to(embeddings.dtype), embeddings.repeat_interleave(views, 0)], 1),
        torch.cat([recipe.recut.weights.expand(alike), weights.repeat_interleave(views, 0)], 1),
        torch.cat([recipe.recut.stops.expand(alike), stops.repeat_interleave(views, 0)], 1),
        active=None if active is None else pad(active.repeat_interleave(views, 0), (beside.shape[1], 0), value=True),
        **options,
    )
    loss = guide.weight * loss.view(batch, views).mean(1)
    return loss if total is None else total + loss, similar.view(batch, views, -1)


@torch.no_grad()
def score(recipe: Recipe, task: Task, images: Tensor, step: int = 0) -> tuple[Tensor, list[Tensor]]:
    """How well pictures [B, 3, H, W] do, seen whole and undisturbed, by the prompts of a step: loss [B] and, per guide,
    similarities [B, R+P]: to the R image prompts that are cut anew, where there are such, and to all prompts."""
    batch = images.shape[0]
    loss, similarities = None, []
    for guide, targets in zip(recipe.guides, task.targets, strict=True):
        sight = look(recipe, task, guide, targets, images, step, 0, preset("plain"))
        loss, similar = prompt_loss(recipe, guide, targets, sight, batch, loss)
        similarities.append(similar[:, 0])
    if recipe.objective is not None:
        own, similar = recipe.objective.score(images, task, step)
        loss, similarities = own if loss is None else loss + own, similarities + similar
    return images.new_zeros(batch) if loss is None else loss, similarities
