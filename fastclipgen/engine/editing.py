"""Edits carried out in the middle of a run: pictures are drawn, changed as pictures, and encoded into parameters again.

All pictures of a batch at once, on the device. A state that is recorded in a CUDA graph stays where it is, see
`Stepper.put`. Knows nothing of what an edit does to a picture (guidance/edits.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fastclipgen.engine.micro_batch import bounds
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import RunState, begin, canvas
from fastclipgen.generators.base import Params
from fastclipgen.guidance.constraints import needs_start
from fastclipgen.guidance.edits import Edit


def owned(recipe: Recipe, task: Task) -> Task:
    """The task, with memory of its own for what `edited` writes into it."""
    if not any(edit.moves for edit in recipe.edits):
        return task
    start, origin = (None if x is None else x.clone() for x in (task.start, task.origin))
    return task._replace(start=start, origin=origin)


@torch.no_grad()
def edited(recipe: Recipe, task: Task, state: RunState, edits: Sequence[Edit], rows: int = 0) -> RunState:
    """The state after `edits`, one after the other, of all pictures, `rows` of them at a time (0: all together).

    The moving average and the best parameters count from here on. Where an edit moves things the optimiser begins anew,
    and the edited pictures become the start that constraints and pulls hold to: it is written into `task`, in place,
    where recorded steps read it. A picture that breaks in the step that follows goes back to what it was before.
    """
    found = []
    for first, last in bounds(len(task.seeds), rows):
        part = {key: value[first:last] for key, value in state.params.items()}
        found.append(_encoded(recipe, task.rows(slice(first, last)), part, edits))
    params = {key: torch.cat([one[key] for one in found]) for key in state.params}
    after = begin(recipe, params)._replace(last=state.last, alive=state.alive)
    if not any(edit.moves for edit in edits):
        return after._replace(optimizer=state.optimizer)
    if task.start is not None and needs_start(recipe.constraints):
        task.start.copy_(recipe.generator.canvas(params))
    if task.origin is not None and recipe.generator.latent is not None:
        task.origin.copy_(params[recipe.generator.latent])
    return after


def _encoded(recipe: Recipe, task: Task, params: Params, edits: Sequence[Edit]) -> Params:
    images = recipe.generator.publish(canvas(recipe, task, params))
    for edit in edits:
        images = edit.change(images)
    return recipe.generator.init_from(images.contiguous())
