"""A step in pieces is the step: same draws, same loss, same gradient, whatever is cut."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from fastclipgen.engine import sight as sight_module
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.micro_batch import Cut, blocks, bounds, slope_by_views, slope_of_blocks
from fastclipgen.engine.optimizers import Adam, Sgd
from fastclipgen.engine.recipe import Guide, Recipe, Task
from fastclipgen.engine.step import Slope, slope
from fastclipgen.engine.stepper import Way
from fastclipgen.generators import registry
from fastclipgen.generators.base import Params
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.perceptors import FrozenPerceptor
from fastclipgen.perceptors.builtin import load_builtin

Toys = Callable[..., FrozenPerceptor]
Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]
VIEWS = 5


def test_bounds() -> None:
    assert bounds(7, 0) == bounds(7, 7) == bounds(7, 9) == [(0, 7)]
    assert bounds(7, 6) == [(0, 3), (3, 7)], "as even as can be"
    assert bounds(7, 3) == [(0, 2), (2, 4), (4, 7)]
    assert bounds(3, 1) == [(0, 1), (1, 2), (2, 3)]


def test_cuts_are_halved_down_to_one_view() -> None:
    cut, seen = Cut(), []
    while (cut := cut.halved(rows=6, views=5)) is not None:
        seen.append(cut)
    assert seen == [Cut(3), Cut(2), Cut(1), Cut(1, 3), Cut(1, 2), Cut(1, 1)]
    assert Cut(rows=64).halved(rows=6, views=5) == Cut(3), "a limit above what there is cuts nothing"
    assert Cut().halved(rows=1, views=1) is None


def test_blocks_hold_the_pictures_in_order(make_recipe: Recipes, make_task: Tasks) -> None:
    task = make_task(make_recipe(), ["sun", "moon", "sea"], [3, 4, 5])
    assert [part.seeds.tolist() for part in blocks(task, Cut(rows=2))] == [[3], [4, 5]]
    assert blocks(task, Cut(rows=3))[0] is blocks(task, Cut())[0] is task


@pytest.fixture(scope="module")
def clip() -> FrozenPerceptor:
    return load_builtin(print)


def case(name: str, clip: FrozenPerceptor, toy: Toys) -> tuple[Recipe, Params]:
    """A recipe with two guides, weights, prompts that stop and constraints, and the parameters of two pictures."""
    optimizer = Sgd() if name == "stack" else Adam()
    generator = registry.create(name, 64, 64, optimizer.name)
    eyes = ((clip, 1.0, VIEWS, preset("gentle")), (toy(), 0.5, 3, preset("latest")))
    guides = tuple(Guide(*eye) for eye in eyes)
    recipe = Recipe(generator, guides, optimizer, constraints=(Constraint("tv", 2.0), Constraint("saturation", 0.5)))
    return recipe, generator.init(torch.tensor([5, 6]))


def cut_slope(recipe: Recipe, task: Task, params: Params, cut: Cut) -> Slope:
    one = partial(slope_by_views, recipe, step=3, most=cut.views) if cut.views else partial(slope, recipe, step=3)
    return slope_of_blocks(one, blocks(task, cut), params)


@pytest.mark.parametrize("name", ["pixels", "stack", "vae"])
def test_a_cut_slope_is_the_slope(name: str, clip: FrozenPerceptor, toy: Toys, make_task: Tasks) -> None:
    recipe, params = case(name, clip, toy)
    task = make_task(recipe, ["a red circle:1:0.9|a dog:0.3", "a blue star"], [5, 6], negatives=["a ring:0.2"])
    whole = slope(recipe, task, params, 3)
    for cut in (Cut(1), Cut(1, VIEWS), Cut(1, 2), Cut(1, 1)):
        parts = cut_slope(recipe, task, params, cut)
        torch.testing.assert_close(parts.loss, whole.loss, atol=1e-6, rtol=1e-5)
        assert torch.equal(parts.images, whole.images) or name == "vae"
        for key, gradient in whole.grads.items():
            scale = float(gradient.abs().max())
            assert scale > 0
            # a decoder rounds one picture otherwise than two
            torch.testing.assert_close(
                parts.grads[key], gradient, atol=(1e-3 if name == "vae" else 1e-4) * scale, rtol=1e-4
            )


def test_draws_do_not_depend_on_the_cut(
    clip: FrozenPerceptor, toy: Toys, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, params = case("pixels", clip, toy)
    task = make_task(recipe, ["a red circle", "a blue star"], [5, 6])
    found: list[Tensor] = []
    plain = sight_module.sample_cutouts
    monkeypatch.setattr(sight_module, "sample_cutouts", lambda *args: found.append((p := plain(*args)).matrix) or p)
    for cut in (Cut(), Cut(1, 2)):
        cut_slope(recipe, task, params, cut)
    whole, first, second = found[:2], found[2:4], found[4:]
    for guide in range(2):
        assert torch.equal(whole[guide], torch.cat([first[guide], second[guide]]))


def test_a_perceptor_sees_no_more_than_it_may(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    seen: list[int] = []
    plain = eye.encode_image
    eye.encode_image = lambda views: seen.append(len(views)) or plain(views)  # pyright: ignore
    recipe = make_recipe(perceptors=[eye], views=7)
    task = make_task(recipe, ["sun", "moon"])
    cut_slope(recipe, task, recipe.generator.init(task.seeds), Cut(1, 3))
    assert seen == [2, 2, 3] * 2


@pytest.mark.parametrize("name", ["pixels", "stack", "vae"])
def test_deterministic_pictures_do_not_depend_on_how_rows_are_cut(
    name: str, clip: FrozenPerceptor, make_task: Tasks
) -> None:
    generator = registry.create(name, 64, 64, "adam")
    recipe = Recipe(generator, (Guide(clip, 1.0, 3, preset("gentle")),), Adam(), deterministic=True)
    task = make_task(recipe, ["a red circle", "a blue star", "a green ring"], [5, 6, 7])
    rates = torch.full((2,), 0.05)
    whole, *others = (Engine(recipe, rates, way=Way(Cut(rows))).run(task).images for rows in (0, 1, 2))
    alone = Engine(recipe, rates).run(task.rows(torch.tensor([1]))).images
    for other in others:
        assert torch.equal(whole, other)
    if name != "vae":  # its last picture is drawn in a batch, in which a matrix product may round otherwise
        assert torch.equal(whole[1:2], alone)
