"""A further loss and a retouch of the parameters: in a step, and in one that is taken in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import score
from fastclipgen.engine.step import begin, take_step
from fastclipgen.engine.stepper import Stepper, Way
from fastclipgen.generators.base import Params

Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]


class Towards:
    """The squared distance from a grey of each picture's own, times the step."""

    def __call__(self, images: Tensor, task: Task, step: int | Tensor) -> Tensor:
        assert task.tables is not None
        return step * (images - task.tables["grey"][:, :, None, None]).square().sum((1, 2, 3))

    def score(self, images: Tensor, task: Task, step: int | Tensor) -> tuple[Tensor, list[Tensor]]:
        return self(images, task, step), [images.mean((2, 3))]


def brighter(params: Params, task: Task, step: int | Tensor) -> Params:
    return {key: value + 0.125 for key, value in params.items()}


def made(make_recipe: Recipes, make_task: Tasks, **changed: Any) -> tuple[Recipe, Task, Params]:
    recipe = make_recipe(**changed)
    task = make_task(recipe, ["sun", "moon", "sea"])._replace(tables={"grey": torch.tensor([[0.25], [0.5], [0.75]])})
    return recipe, task, recipe.generator.init(task.seeds)


def test_an_objective_adds_to_the_loss(make_recipe: Recipes, make_task: Tasks) -> None:
    plain, task, params = made(make_recipe, make_task)
    more, _, _ = made(make_recipe, make_task, objective=Towards())
    rate = torch.tensor(0.05)
    _, base, images = take_step(plain, task, begin(plain, params), 3, rate)
    _, loss, _ = take_step(more, task, begin(more, params), 3, rate)
    torch.testing.assert_close(loss, base + Towards()(images, task, 3))
    scored, similarities = score(more, task, images, 3)
    torch.testing.assert_close(scored, score(plain, task, images, 3)[0] + Towards()(images, task, 3))
    assert [one.shape for one in similarities] == [(3, 1), (3, 3)]


def test_an_objective_alone_draws_its_pictures(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe, task, params = made(make_recipe, make_task, objective=Towards())
    recipe = Recipe(recipe.generator, (), recipe.optimizer, objective=Towards())
    task, state = task._replace(targets=()), begin(recipe, params)
    for step in range(1, 60):
        state, _, _ = take_step(recipe, task, state, step, torch.tensor(0.05))
    means = recipe.generator(state.params).mean((1, 2, 3))
    torch.testing.assert_close(means, torch.tensor([0.25, 0.5, 0.75]), atol=0.02, rtol=0)


def test_a_retouch_comes_before_the_pictures_and_stays(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe, task, params = made(make_recipe, make_task, retouch=brighter)
    state, _, images = take_step(recipe, task, begin(recipe, params), 0, torch.tensor(0.0))
    torch.testing.assert_close(images, recipe.generator({"rgb": params["rgb"] + 0.125}))
    torch.testing.assert_close(state.params["rgb"], params["rgb"] + 0.125)


@pytest.mark.parametrize("cut", [Cut(rows=2), Cut(rows=1), Cut(rows=1, views=2)])
def test_pieces_give_the_same(make_recipe: Recipes, make_task: Tasks, cut: Cut) -> None:
    recipe, task, params = made(make_recipe, make_task, objective=Towards(), retouch=brighter)

    def stepped(cut: Cut) -> tuple[Tensor, Tensor]:
        stepper = Stepper(recipe, torch.full((4,), 0.05), Way(cut), lambda line: None)
        stepper.begin(task)
        state, loss, _ = stepper.take(begin(recipe, params), 3)
        return state.optimizer.slots["mean"]["rgb"], loss

    for whole, pieces in zip(stepped(Cut()), stepped(cut), strict=True):
        torch.testing.assert_close(whole, pieces, rtol=1e-4, atol=1e-6)
