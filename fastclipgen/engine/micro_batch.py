"""The slope of a step in pieces that fit into memory: pictures a few at a time and, below one, views a few at a time.

Pictures never meet in a step, so rows may be cut anywhere. A picture is then drawn once and its cutouts are made once;
only the perceptor, which needs most of the memory, sees the views in parts. Each part gives the gradient of its views,
and one backward pass takes them all through the cutouts and the generator, in the same order as ever.

Draws do not depend on the cut. Rounding does: matrix libraries choose another order of additions for another size. One
row at a time (`Cut(rows=1)`) gives the same bits whatever the number of pictures. Knows nothing of how much memory
there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.engine.recipe import Guide, Recipe, Task
from fastclipgen.engine.sight import Sight, look, prompt_loss
from fastclipgen.engine.step import Slope, canvas, unguided_loss
from fastclipgen.generators.base import Params
from fastclipgen.guidance.targets import Targets


class Cut(NamedTuple):
    """rows: pictures that go through the generator, the cutouts and the perceptors together; views: of one picture's
    views, how many a perceptor sees together. 0 is all of them; views are cut only where rows is 1."""

    rows: int = 0
    views: int = 0

    def halved(self, rows: int, views: int) -> Cut | None:
        """The next smaller cut of a step of so many rows and views; None where there is none."""
        now = min(self.rows or rows, rows)
        if now > 1:
            return Cut(-(-now // 2))
        now = min(self.views or views, views)
        return Cut(1, -(-now // 2)) if now > 1 else None


def bounds(count: int, most: int) -> list[tuple[int, int]]:
    """`count` in as few pieces of `most` or fewer (0: all) as there must be, of sizes that differ by at most 1."""
    pieces = -(-count // most) if most else 1
    return [(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


def blocks(task: Task, cut: Cut) -> list[Task]:
    """The task of each piece of rows, in the memory of the whole, which edits may write into between steps."""
    if not 0 < cut.rows < len(task.seeds):
        return [task]
    return [task.rows(slice(first, last)) for first, last in bounds(len(task.seeds), cut.rows)]


def slope_of_blocks(slope: Callable[[Task, Params], Slope], parts: Sequence[Task], params: Params) -> Slope:
    """The slope of all rows from that of each block."""
    found, first = [], 0
    for part in parts:
        last = first + len(part.seeds)
        found.append(slope(part, {key: value[first:last] for key, value in params.items()}))
        first = last
    if len(found) == 1:
        return found[0]
    grads = {key: torch.cat([one.grads[key] for one in found]) for key in params}
    return Slope(grads, torch.cat([one.loss for one in found]), torch.cat([one.images for one in found]))


def params_of_blocks(change: Callable[[Task, Params], Params], parts: Sequence[Task], params: Params) -> Params:
    """The changed parameters of all rows from those of each block."""
    found, first = [], 0
    for part in parts:
        last = first + len(part.seeds)
        found.append(change(part, {key: value[first:last] for key, value in params.items()}))
        first = last
    return found[0] if len(found) == 1 else {key: torch.cat([one[key] for one in found]) for key in params}


Part = Callable[[Recipe, Guide, Targets, Sight, int], tuple[Tensor, Tensor]]


def slope_of_part(
    recipe: Recipe, guide: Guide, targets: Targets, sight: Sight, batch: int, loss: Part = prompt_loss
) -> tuple[Tensor, Tensor]:
    """What some of the views that a guide sees add to the loss [B], and the gradient of that to them, [B*n, 3, S, S].
    `loss`: step.prompt_loss, or the same compiled."""
    views = sight.views.detach().requires_grad_()
    with torch.enable_grad():
        share = len(views) / (batch * guide.views)  # the loss is a mean over views
        part = loss(recipe, guide, targets, sight._replace(views=views), batch)[0] * share
        (gradient,) = torch.autograd.grad(part.sum(), views)
    return part.detach(), gradient


def slope_by_views(
    recipe: Recipe, task: Task, params: Params, step: int | Tensor, most: int, of_part: Part = slope_of_part
) -> Slope:
    """The slope of one picture (B = 1) of whose views a perceptor sees at most `most` together."""
    leaves = {key: value.detach().requires_grad_() for key, value in params.items()}
    with torch.enable_grad():
        drawn = canvas(recipe, task, leaves)
        images = drawn.detach().requires_grad_()
        loss, gradient = images.new_zeros(1), torch.zeros_like(images)
        for k, (guide, targets) in enumerate(zip(recipe.guides, task.targets, strict=True)):
            sight = look(recipe, task, guide, targets, images, step, step * len(recipe.guides) + k)
            slopes = torch.empty_like(sight.views)  # [N, 3, S, S]
            for first, last in bounds(guide.views, most):
                part, slopes[first:last] = of_part(recipe, guide, targets, sight.part(first, last), 1)
                loss = loss + part
            gradient = gradient + torch.autograd.grad(sight.views, images, slopes)[0]
        held, direct = unguided_loss(recipe, task, leaves, images, step), [None] * len(leaves)
        if held is not None:
            loss = loss + held.detach()
            of_images, *direct = torch.autograd.grad(held.sum(), [images, *leaves.values()], allow_unused=True)
            gradient = gradient if of_images is None else gradient + of_images
        found = torch.autograd.grad(drawn, list(leaves.values()), gradient)
        found = [one if more is None else one + more for one, more in zip(found, direct, strict=True)]
    return Slope(dict(zip(leaves, found, strict=True)), loss.detach(), images.detach())
