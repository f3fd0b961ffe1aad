"""A run that goes on at another size, or after a change of its settings: its state for a new generator.

Knows nothing of epochs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.engine.optimizers import State
from fastclipgen.engine.recipe import Recipe
from fastclipgen.engine.step import RunState, begin
from fastclipgen.errors import UserError
from fastclipgen.experiments.drawing import scaled
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.pixels import Pixels


@torch.no_grad()
def moved(state: RunState, old: Generator, recipe: Recipe, fixed: Params | None, how: str, fresh: bool) -> RunState:
    """`state` of generator `old` for that of `recipe`. how: the interpolation; fresh: the optimiser begins anew.

    Pixels are resized as they are; what another generator draws is resized and encoded again. The optimiser's memory
    is resized like the parameters, linearly, so that squares stay positive; where its shape is another one it begins
    anew. Raises UserError for a generator that cannot encode a picture in the middle of a run.
    """
    new = recipe.generator
    size = new.height, new.width
    if (old.height, old.width) == size and type(old) is type(new):
        params = state.params
    elif isinstance(old, Pixels) and isinstance(new, Pixels):
        params = {"rgb": scaled(state.params["rgb"], *size, how)}
    elif new.reencodes:
        pictures = old(state.params if fixed is None else fixed | state.params)
        params = new.init_from(scaled(pictures, *size, how).clamp(0, 1).contiguous())
    else:
        raise UserError(
            f"generator '{new.name}' cannot go on from a picture of another size or generator, since it gives no "
            "picture back at once; begin anew, or use pixels, stack, fourier, vqgan or autoencoder"
        )
    after = begin(recipe, params)._replace(alive=state.alive)
    kept = None if fresh else _resized(state.optimizer, after.optimizer, how)
    return after if kept is None else after._replace(optimizer=kept)


def _resized(old: State, wanted: State, how: str) -> State | None:
    """The optimiser's state `old` in the shapes of `wanted`; None where they do not go together."""
    if old.slots.keys() != wanted.slots.keys():
        return None
    slots: dict[str, Params] = {}
    for slot, values in wanted.slots.items():
        slots[slot] = {}
        for name, like in values.items():
            value = _fitted(old.slots[slot].get(name), like, how)
            if value is None:
                return None
            slots[slot][name] = value
    return State(old.step.clone(), slots)


def _fitted(value: Tensor | None, like: Tensor, how: str) -> Tensor | None:
    if value is None or value.ndim != like.ndim:
        return None
    if value.shape == like.shape:
        return value.clone()
    if value.ndim != 4 or value.shape[:2] != like.shape[:2]:
        return None
    height, width = like.shape[-2:]
    return scaled(value, height, width, "nearest" if how == "nearest" else "linear").contiguous()
