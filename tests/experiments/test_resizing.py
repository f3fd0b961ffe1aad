"""A state that moves to another size: the picture, the optimiser's memory, and where it begins anew."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.engine.optimizers import Adam, Optimizer, Sgd
from fastclipgen.engine.recipe import Recipe
from fastclipgen.engine.step import RunState, begin
from fastclipgen.errors import UserError
from fastclipgen.experiments.resizing import moved
from fastclipgen.generators import registry
from fastclipgen.generators.pixels import Pixels

SEEDS = torch.tensor([3, 4])


def recipe(side: int, optimizer: Optimizer | None = None) -> Recipe:
    return Recipe(Pixels(side, side), (), optimizer or Adam())


def state(of: Recipe) -> RunState:
    """In the middle of a run: halves of the optimiser's memory differ, and a picture has failed."""
    made = begin(of, of.generator.init(SEEDS))
    for slot, values in made.optimizer.slots.items():
        values["rgb"][..., : of.generator.width // 2] = 4.0 if slot == "square" else -2.0
    made.optimizer.step.fill_(7)
    return made._replace(alive=torch.tensor([True, False]))


def test_the_optimisers_memory_goes_along() -> None:
    old = recipe(8)
    before = state(old)
    after = moved(before, old.generator, recipe(16), None, "linear", fresh=False)
    assert int(after.optimizer.step) == 7
    assert after.alive.tolist() == [True, False]
    for slot, level in (("mean", -2.0), ("square", 4.0)):
        plane = after.optimizer.slots[slot]["rgb"]
        assert plane.shape == after.params["rgb"].shape == (2, 3, 16, 16)
        assert plane[..., :6].unique().tolist() == [level]
        assert plane[..., 10:].unique().tolist() == [0.0]
    after = moved(before, old.generator, recipe(24), None, "cubic", fresh=False)
    assert bool((after.optimizer.slots["square"]["rgb"] >= 0).all())


def test_what_is_kept_is_a_copy() -> None:
    old = recipe(8)
    before = state(old)
    after = moved(before, old.generator, recipe(8), None, "linear", fresh=False)
    after.optimizer.slots["mean"]["rgb"].fill_(9)
    assert bool((before.optimizer.slots["mean"]["rgb"] != 9).all())


def test_where_the_optimiser_begins_anew() -> None:
    old = recipe(8)
    for new, fresh in ((recipe(16), True), (recipe(16, Sgd()), False)):
        after = moved(state(old), old.generator, new, None, "linear", fresh)
        assert int(after.optimizer.step) == 0
        assert all(bool((v == 0).all()) for slot in after.optimizer.slots.values() for v in slot.values())


@pytest.mark.parametrize("how", ["nearest", "linear", "cubic"])
def test_pixels_are_resized_beyond_their_range(how: str) -> None:
    old = recipe(8)
    before = state(old)
    before.params["rgb"].fill_(1.5)
    after = moved(before, old.generator, recipe(12), None, how, fresh=False)
    torch.testing.assert_close(after.params["rgb"], torch.full((2, 3, 12, 12), 1.5))


def test_another_generator_encodes_the_picture() -> None:
    old = recipe(16)
    before = begin(old, old.generator.init_from(torch.full((2, 3, 16, 16), 0.25)))
    stack = registry.create("stack", 16, 16, "adam")
    after = moved(before, old.generator, Recipe(stack, (), Adam()), None, "linear", fresh=False)
    torch.testing.assert_close(stack(after.params), torch.full((2, 3, 16, 16), 0.25), atol=0.01, rtol=0)
    siren = registry.create("siren", 16, 16, "adam")
    with pytest.raises(UserError, match="'siren' cannot go on from a picture of another size"):
        moved(before, old.generator, Recipe(siren, (), Adam()), None, "linear", fresh=False)
