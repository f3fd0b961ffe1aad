"""What guides see: stories turn their prompts, spots hide the rest, image prompts are cut by the same draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.engine import sight as sight_module
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.micro_batch import slope_by_views
from fastclipgen.engine.recipe import Guide, Recipe, Recut, Task
from fastclipgen.engine.sight import GREY, guided_loss, look, score
from fastclipgen.engine.step import begin, slope, take_step
from fastclipgen.engine.stepper import Way
from fastclipgen.generators.pixels import Pixels
from fastclipgen.generators.stack import Stack
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.guidance.targets import build_targets
from fastclipgen.ops import library
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.ops.cutout_spec import PADDINGS

from ..watch import Watch

Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]
PAIRS: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-4}


def pictures(count: int = 2, seed: int = 0, size: int = 16) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def recut(*images: Tensor, weights: tuple[float, ...] = (1.0,)) -> Recut:
    shown = torch.cat(images)
    return Recut(shown, torch.tensor(weights), torch.full((len(shown),), -float("inf")))


def everything(make_recipe: Recipes) -> tuple[Recipe, Task]:
    """Two guides of the whole and a spot, image prompts cut anew, stories of one and three phases."""
    recipe = make_recipe(views=3)
    spot = torch.zeros(1, 1, 16, 16)
    spot[..., 4:12, 2:10] = 1
    guides = *recipe.guides, replace(recipe.guides[0], spot=spot), replace(recipe.guides[0], spot=1 - spot)
    recipe = replace(recipe, guides=guides, recut=recut(pictures(2, 7), weights=(0.5, -0.25)))
    eye = recipe.guides[0].perceptor
    stories = [parse_prompts("sun|sea:0.5 ^ moon ^ sky:2"), parse_prompts("a fox")]
    targets = build_targets([eye], stories, every=[2, 1])
    for text in ("star", "hill|lake:-0.5"):
        targets += build_targets([eye], 2 * [parse_prompts(text)])
    return recipe, Task(torch.tensor([5, 6]), tuple(targets))


def test_everything_alone_cut_and_whole(make_recipe: Recipes) -> None:
    recipe, task = everything(make_recipe)
    params = {"rgb": pictures()}
    for step in (0, 3):
        whole = slope(recipe, task, params, step)
        for row in range(2):
            part, mine = task.rows(torch.tensor([row])), {"rgb": params["rgb"][row : row + 1]}
            cut = [slope_by_views(recipe, part, mine, step, most=most) for most in (1, 2)]
            for found in (slope(recipe, part, mine, step), *cut):
                torch.testing.assert_close(found.loss, whole.loss[row : row + 1], **PAIRS)
                torch.testing.assert_close(found.grads["rgb"], whole.grads["rgb"][row : row + 1], **PAIRS)


def test_everything_is_one_graph_for_all_phases(make_recipe: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()  # what other tests have compiled of the same functions would be compiled again
    recipe, task = everything(make_recipe)
    rates = torch.full((5,), 0.05)
    lines: list[str] = []
    compiled = Engine(recipe, rates, way=Way(compiled=True, strict=True), notice=lines.append)
    with torch._dynamo.config.patch(error_on_recompile=True):
        found = compiled.run(task)
    torch.testing.assert_close(found.images, Engine(recipe, rates).run(task).images, atol=1e-4, rtol=1e-4)
    assert lines == []


def test_everything_waits_for_nothing(make_recipe: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "choose", lambda *_: "reference")
    recipe, task = everything(make_recipe)
    state, number, rate = begin(recipe, {"rgb": pictures()}), torch.tensor(3), torch.tensor(0.05)
    with Watch() as watch:
        take_step(recipe, task, state, number, rate)
    assert watch.seen > 50
    assert watch.waits == []


def test_a_story_turns_its_prompts(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe, images = make_recipe(spec="plain", views=1), pictures(2)
    eye = recipe.guides[0].perceptor
    told = build_targets([eye], [parse_prompts("sun|sea ^ moon"), parse_prompts("sky")], every=[3, 1])
    task = Task(torch.tensor([5, 6]), tuple(told))
    chapters = {phase: make_task(recipe, [text, "sky"]) for phase, text in enumerate(("sun|sea", "moon"))}
    losses = [guided_loss(recipe, chapters[phase], images, 0, recipe.guides) for phase in (0, 1)]
    assert (losses[0][0] - losses[1][0]).abs() > 1e-3
    for step, phase in enumerate((0, 0, 0, 1, 1, 1, 0, 0)):
        for number in (step, torch.tensor(step)):
            torch.testing.assert_close(guided_loss(recipe, task, images, number, recipe.guides), losses[phase])
    loss, similar = score(recipe, task, images, 4)
    torch.testing.assert_close(loss, losses[1])
    assert similar[0].shape == (2, 3), "scores are of all prompts"


def test_a_spot_is_all_that_its_guide_sees(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(spec="plain", views=1)
    spot = torch.zeros(1, 1, 16, 16)
    spot[..., :8] = 1
    guide = replace(recipe.guides[0], spot=spot)
    recipe = replace(recipe, guides=(guide,))
    task, images = make_task(recipe, ["sun", "moon"]), pictures(2)
    grey = images.clone()
    grey[..., 8:] = GREY
    torch.testing.assert_close(look(recipe, task, guide, task.targets[0], images, 0, 0).views, grey)
    torch.testing.assert_close(
        score(recipe, task, images)[0],
        score(replace(recipe, guides=(replace(guide, spot=None),)), task, grey)[0],
    )
    after, _, _ = take_step(recipe, task, begin(recipe, {"rgb": images}), 0, torch.tensor(0.05))
    moved = (after.params["rgb"] - images).abs().amax((0, 1, 2)) > 1e-3
    assert moved.tolist() == [True] * 8 + [False] * 8


def test_spots_and_image_prompts_follow_the_picture_without_its_margin(make_recipe: Recipes, make_task: Tasks) -> None:
    stack = Stack(16, 16)
    spot = torch.zeros(1, 1, *stack.canvas_size)
    stack.publish(spot)[..., :8] = 1  # a view of it
    recipe = make_recipe(stack, views=1)
    guide = replace(recipe.guides[0], spot=spot)
    small, images = pictures(1, size=8), pictures(1)
    for seen in (images, small):
        sight = look(recipe, make_task(recipe, ["sun"]), guide, _none(recipe), seen, 0, 0, preset("plain"))
        half = seen.shape[3] // 2
        if seen is images:
            assert torch.equal(sight.views[..., half:], torch.full_like(seen[..., half:], GREY))
            assert torch.equal(sight.views[..., :half], seen[..., :half])
        else:
            assert (sight.views[..., 10:] - GREY).abs().max() < 0.2


def _none(recipe: Recipe):
    return build_targets([recipe.guides[0].perceptor], [parse_prompts("sun")])[0]


@pytest.mark.parametrize("name", ["clipit", "pixray", "updated"])
def test_image_prompts_are_seen_through_the_views_of_every_method(
    name: str, make_recipe: Recipes, make_task: Tasks
) -> None:
    """A picture and an image prompt that is the same picture look the same, at even and odd steps, wherever cut."""
    shown = pictures(1, 3)
    recipe = replace(make_recipe(views=6, spec=name), recut=recut(shown))
    task = make_task(recipe, ["sun", "moon"], [5, 6])
    views = []
    for step in (2, 3):
        sight = look(recipe, task, recipe.guides[0], task.targets[0], shown.expand(2, -1, -1, -1), step, step)
        assert sight.beside is not None
        torch.testing.assert_close(sight.views, sight.beside[:, 0], rtol=0, atol=1e-6)
        views.append(sight.views)
    assert (views[0] - views[1]).abs().max() > 0.1


def test_paddings_alternate_by_step_for_every_guide(
    monkeypatch: pytest.MonkeyPatch, make_recipe: Recipes, make_task: Tasks, toy: Callable[..., Any]
) -> None:
    """With two guides the numbers that key the draws are even for the first and odd for the second, at every step."""
    found = []
    plain = sight_module.sample_cutouts
    monkeypatch.setattr(sight_module, "sample_cutouts", lambda *args: found.append(plain(*args)) or found[-1])
    recipe = make_recipe(perceptors=[toy(0), toy(1)], views=3, spec="clipit")
    task = make_task(recipe, ["sun"])
    for step in (0, 1, 2):
        guided_loss(recipe, task, pictures(1), torch.tensor(step), recipe.guides)
    zoomed = [PADDINGS[int(params.around[0, 0, 0])] for params in found]
    assert zoomed == ["reflection", "reflection", "border", "border", "reflection", "reflection"]


def test_image_prompts_are_seen_through_the_same_views(make_recipe: Recipes, make_task: Tasks) -> None:
    shown, images = pictures(2, 3), pictures(2)
    recipe = make_recipe(views=4, prompt_mean=False)
    recipe = replace(recipe, recut=recut(shown, weights=(1.0, 0.5)))
    eye, task = recipe.guides[0].perceptor, make_task(recipe, ["sun", "moon|sea"], [5, 6])
    sight = look(recipe, task, recipe.guides[0], task.targets[0], images, 2, 2)
    assert sight.beside is not None
    assert sight.beside.shape == (8, 2, 3, 16, 16)
    assert not sight.beside.requires_grad
    for r in range(2):
        alone = look(recipe, task, recipe.guides[0], task.targets[0], shown[r].expand(2, -1, -1, -1), 2, 2)
        torch.testing.assert_close(sight.beside[:, r], alone.views)
    mine = F.normalize(eye.encode_image(sight.views), dim=-1)
    theirs = F.normalize(eye.encode_image(sight.beside.flatten(0, 1)).unflatten(0, (8, 2)), dim=-1)
    apart = 1 - torch.einsum("ve,vre->vr", mine, theirs)
    wanted = (apart * torch.tensor([1.0, 0.5])).sum(1).view(2, 4).mean(1)
    plain = replace(recipe, recut=None)
    loss = guided_loss(recipe, task, images, 2, recipe.guides)
    torch.testing.assert_close(loss, wanted + guided_loss(plain, task, images, 2, recipe.guides))
    _, [similar] = score(recipe, task, images)
    assert similar.shape == (2, 4)
    whole = F.normalize(eye.encode_image(shown), dim=-1) @ F.normalize(eye.encode_image(images), dim=-1).T
    torch.testing.assert_close(similar[:, :2], whole.T)


def test_a_picture_comes_to_an_image_prompt_that_is_cut_anew(make_recipe: Recipes) -> None:
    shown = torch.zeros(1, 3, 16, 16)
    shown[:, 0, :, :8], shown[:, 2, :, 8:] = 1.0, 1.0
    recipe = make_recipe(Pixels(16, 16), spec="plain", views=1, recut=recut(shown))
    eye = recipe.guides[0].perceptor
    task = Task(torch.tensor([5]), tuple(build_targets([eye], [[]], may_be_empty=True)))
    result = Engine(recipe, torch.full((30,), 0.05)).run(task)
    before = score(recipe, task, recipe.generator(recipe.generator.init(task.seeds)))[1][0]
    assert result.similarities[0][0, 0] > max(0.9, before[0, 0] + 0.3)


def test_guides_of_spots_have_no_image_prompts(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = replace(make_recipe(views=1), recut=recut(pictures(1, 3)))
    guide: Guide = replace(recipe.guides[0], spot=torch.ones(1, 1, 16, 16))
    assert look(recipe, make_task(recipe, ["sun"]), guide, _none(recipe), pictures(1), 0, 0).beside is None
