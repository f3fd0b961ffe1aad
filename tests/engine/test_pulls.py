"""Pulls in a run: they hold the latent or draw it to another, in every way a step is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from fastclipgen.engine.engine import Engine
from fastclipgen.engine.micro_batch import slope_by_views
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import slope, with_origin
from fastclipgen.engine.stepper import Way
from fastclipgen.guidance.pulls import Pull, distance

Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]


@pytest.fixture
def recipe(mixture, make_recipe: Recipes) -> Recipe:
    mixture.latent = "mix"
    return make_recipe(mixture, views=2)


def finals(recipe: Recipe, task: Task) -> torch.Tensor:
    """The latents at the end of eight steps."""
    kept = []
    plain = recipe.generator.project
    recipe.generator.project = lambda params: kept.append(plain(params)["mix"]) or plain(params)
    Engine(recipe, torch.full((8,), 0.1)).run(task)
    recipe.generator.project = plain
    return kept[-1]


@pytest.mark.parametrize("kind", ["spherical", "cosine", "l2"])
def test_the_start_holds_and_a_goal_draws(kind: str, recipe: Recipe, make_task: Tasks) -> None:
    task = make_task(recipe, ["sun", "moon"], [5, 6])
    start, goal = recipe.generator.init(task.seeds)["mix"], torch.tensor([[1.0, -2.0, 0.5, 0.0, 1.5]])
    free = finals(recipe, task)
    held = finals(replace(recipe, pulls=(Pull(kind, 50.0),)), task)
    drawn = finals(replace(recipe, pulls=(Pull(kind, 50.0, goal),)), task)
    assert (distance(kind, held, start) < 0.5 * distance(kind, free, start)).all()
    assert (distance(kind, drawn, goal) < 0.8 * distance(kind, free, goal)).all()


def test_a_picture_draws_the_pixels(recipe: Recipe, make_task: Tasks) -> None:
    task = make_task(recipe, ["sun"])
    picture = recipe.generator({"mix": torch.tensor([[1.0, -1.0, 0.5, 0.0, 1.5]])})
    pulled = replace(recipe, pulls=(Pull("pixels", 100.0, picture),))
    apart = [distance("pixels", Engine(r, torch.full((20,), 0.1)).run(task).images, picture) for r in (recipe, pulled)]
    assert apart[1] < 0.7 * apart[0]


def test_cut_or_whole_alone_or_in_a_batch(recipe: Recipe, make_task: Tasks) -> None:
    picture = torch.full((1, 3, 16, 16), 0.4)
    pulls = Pull("spherical", 2.0), Pull("l2", 1.0, decays=True), Pull("pixels", 3.0, picture)
    recipe = replace(recipe, pulls=pulls)
    task, params = make_task(recipe, ["sun", "moon"], [5, 6]), {"mix": torch.randn(2, 5)}
    task = with_origin(recipe, task, recipe.generator.init(task.seeds))
    whole = slope(recipe, task, params, 3)
    for row in range(2):
        part, mine = task.rows(torch.tensor([row])), {"mix": params["mix"][row : row + 1]}
        for found in (slope(recipe, part, mine, 3), slope_by_views(recipe, part, mine, 3, most=1)):
            torch.testing.assert_close(found.loss, whole.loss[row : row + 1])
            torch.testing.assert_close(found.grads["mix"], whole.grads["mix"][row : row + 1], atol=1e-5, rtol=1e-4)


def test_one_graph(recipe: Recipe, make_task: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    recipe = replace(recipe, pulls=(Pull("spherical", 2.0), Pull("l2", 1.0, decays=True)))
    rates = torch.full((3,), 0.1)
    task = make_task(recipe, ["sun"])
    eager, compiled = (Engine(recipe, rates, way=way).run(task) for way in (Way(), Way(compiled=True, strict=True)))
    torch.testing.assert_close(compiled.images, eager.images, atol=1e-4, rtol=1e-4)
