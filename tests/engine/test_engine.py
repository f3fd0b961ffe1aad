"""The loop: it gets closer, is reproducible, chooses among starts, can be watched and stopped, survives breakdowns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fastclipgen.engine.ema import KeepBest
from fastclipgen.engine.engine import Engine, StepInfo
from fastclipgen.engine.optimizers import Sgd
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import score
from fastclipgen.generators.base import Params
from fastclipgen.generators.pixels import Pixels
from fastclipgen.generators.stack import Stack
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.ops.philox import Stream, words
from fastclipgen.perceptors import FrozenPerceptor

Toys = Callable[..., FrozenPerceptor]
Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]


def rates(steps: int, rate: float = 0.05) -> Tensor:
    return torch.full((steps,), rate)


@pytest.mark.parametrize("kind", ["pixels", "mixture"])
def test_the_loss_goes_down(kind: str, mixture, make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(mixture if kind == "mixture" else None)
    task = make_task(recipe, ["sun", "moon"])
    start, end = Engine(recipe, rates(0)).run(task), Engine(recipe, rates(25)).run(task)
    assert (end.loss < start.loss - (0.1 if kind == "mixture" else 0.5)).all()
    assert end.steps == 25
    assert end.finite.all()
    assert end.images.shape == (2, 3, 16, 16)
    assert end.images.min() >= 0
    assert end.images.max() <= 1
    torch.testing.assert_close(end.loss, score(recipe, task, end.images)[0])
    torch.testing.assert_close(end.similarities[0][:, 0], 1 - end.loss)


def test_same_seed_same_bytes_and_other_seeds_other_pictures(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    one, same, other = (Engine(recipe, rates(4)).run(make_task(recipe, ["sun"], [seed])).images for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_torchs_generator_is_neither_used_nor_moved(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    before = torch.random.get_rng_state()
    Engine(recipe, rates(2), starts=3).run(make_task(recipe, ["sun"]))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_picture_of_a_batch_is_the_picture_alone(mixture, make_recipe: Recipes, make_task: Tasks) -> None:
    for generator in (None, mixture):
        recipe = make_recipe(generator, deterministic=True)
        task = make_task(recipe, ["sun|sea", "moon", "sun"], [3, 4, 5])
        together = Engine(recipe, rates(4), starts=4, tracks=2).run(task)
        for row, prompt in enumerate(["sun|sea", "moon", "sun"]):
            alone = Engine(recipe, rates(4), starts=4, tracks=2).run(make_task(recipe, [prompt], [3 + row]))
            torch.testing.assert_close(together.images[row : row + 1], alone.images, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(together.loss[row], alone.loss[0], atol=1e-4, rtol=1e-4)


def test_no_steps_give_the_start(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    task = make_task(recipe, ["sun", "moon"])
    result = Engine(recipe, rates(0)).run(task)
    assert torch.equal(result.images, recipe.generator(recipe.generator.init(task.seeds)))
    assert result.steps == 0
    given = {"rgb": torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))}
    assert torch.equal(Engine(recipe, rates(0), starts=8).run(task, given).images, given["rgb"])


def candidates(recipe: Recipe, task: Task, starts: int) -> tuple[Tensor, Tensor]:
    """Seeds [B, starts] and losses [B, starts] of all starts, one by one."""
    seeds = torch.cat([task.seeds[:, None], words(task.seeds, 0, Stream.STARTS, starts)[:, 0, 1:]], 1)
    losses = torch.empty(seeds.shape)
    for row in range(len(seeds)):
        for k, seed in enumerate(seeds[row]):
            one = task.rows(torch.tensor([row]))._replace(seeds=seed[None])
            losses[row, k] = score(recipe, one, recipe.generator(recipe.generator.init(seed[None])))[0]
    return seeds, losses


@pytest.mark.parametrize("start_batch", [256, 3])
def test_the_best_starts_are_taken(
    start_batch: int, mixture, make_recipe: Recipes, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastclipgen.engine.engine.START_BATCH", start_batch)
    recipe = make_recipe(mixture)
    task = make_task(recipe, ["sun", "moon"])
    seeds, losses = candidates(recipe, task, 7)
    best = seeds.gather(1, losses.argmin(1, keepdim=True))[:, 0]
    result = Engine(recipe, rates(0), starts=7).run(task)
    torch.testing.assert_close(result.images, mixture(mixture.init(best)))
    torch.testing.assert_close(result.loss, losses.min(1).values)


def test_the_best_track_is_published_and_the_best_start_is_watched(
    mixture, make_recipe: Recipes, make_task: Tasks
) -> None:
    recipe = make_recipe(mixture, optimizer=Sgd())
    task = make_task(recipe, ["sun", "moon"])
    seeds, losses = candidates(recipe, task, 6)
    order = losses.argsort(1)[:, :3]
    seen: list[StepInfo] = []
    result = Engine(recipe, rates(6, 2.0), starts=6, tracks=3).run(task, callbacks=[seen.append])
    for row in range(2):
        runs = []
        for seed in seeds[row, order[row]]:
            one = task.rows(torch.tensor([row]))._replace(seeds=seed[None])
            runs.append(Engine(recipe, rates(6, 2.0)).run(one))
        wanted = min(runs, key=lambda run: float(run.loss))
        torch.testing.assert_close(result.loss[row], wanted.loss[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(result.images[row], wanted.images[0], atol=1e-3, rtol=1e-3)
    assert seen[0].loss.shape == (2,)
    best = seeds.gather(1, order[:, :1])[:, 0]
    torch.testing.assert_close(seen[0].images(), mixture(mixture.init(best)))


def test_tracks_need_as_many_starts(make_recipe: Recipes) -> None:
    assert Engine(make_recipe(), rates(1), starts=1, tracks=4).starts == 4


def test_callbacks_see_every_step_and_may_stop(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    task = make_task(recipe, ["sun"])
    seen: list[StepInfo] = []
    late: list[int] = []
    result = Engine(recipe, rates(9)).run(
        task, callbacks=[lambda info: seen.append(info) or info.step == 3, lambda info: late.append(info.step) or 1]
    )
    assert [info.step for info in seen] == [1, 2, 3]
    assert late == [1, 2, 3], "all callbacks see the step at which one stops; only True stops"
    assert {info.steps for info in seen} == {9}
    assert result.steps == 3
    assert torch.equal(seen[0].images(), recipe.generator(recipe.generator.init(task.seeds)))
    assert seen[2].loss < seen[0].loss
    assert torch.equal(result.images, Engine(recipe, rates(3)).run(task).images)


def test_interruption_ends_the_run_with_what_there_is(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    task = make_task(recipe, ["sun"])
    asked = []
    result = Engine(recipe, rates(9)).run(task, interrupted=lambda: asked.append(1) or len(asked) > 2)
    assert result.steps == 2
    assert torch.equal(result.images, Engine(recipe, rates(2)).run(task).images)


def test_rates_are_those_of_the_steps(brightness: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(perceptors=[brightness()], spec="plain", views=1)
    task, start = make_task(recipe, ["white"]), {"rgb": torch.full((1, 3, 16, 16), 0.2)}
    result = Engine(recipe, torch.tensor([0.1, 0.0, 0.2])).run(task, start)
    # Adam's first step is its rate; the third is of the same size, as the gradients hardly change
    assert result.images.mean().item() == pytest.approx(0.2 + 0.1 + 0.2, abs=0.02)


def test_a_picture_that_breaks_is_published_as_it_last_was(
    brightness: Toys, make_recipe: Recipes, make_task: Tasks
) -> None:
    recipe = make_recipe(perceptors=[brightness(0.6)], spec="plain", views=1)
    task = make_task(recipe, ["white", "black"])
    start = {"rgb": torch.full((2, 3, 16, 16), 0.42)}
    result = Engine(recipe, rates(12)).run(task, start)
    assert result.finite.tolist() == [False, True]
    assert result.loss.isfinite().all()
    assert result.images[0].mean().item() == pytest.approx(0.57, abs=1e-3)
    alone = Engine(recipe, rates(12)).run(task.rows(torch.tensor([1])), {"rgb": start["rgb"][1:]})
    torch.testing.assert_close(result.images[1:], alone.images)


class Fragile(Pixels):
    """Draws NaN from parameters outside -1..2."""

    def forward(self, params: Params) -> Tensor:
        rgb = params["rgb"]
        return super().forward({"rgb": torch.where((rgb + 0.5).abs() < 2.5, rgb, torch.nan)})


@pytest.mark.parametrize("changed", [{}, {"best": KeepBest()}])
def test_a_picture_that_breaks_in_the_last_step_is_not_lost(changed, make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(Fragile(16, 16), **changed)
    task = make_task(recipe, ["sun"])
    start = Engine(recipe, rates(0)).run(task)
    result = Engine(recipe, rates(1, 1e9)).run(task)
    assert torch.equal(result.images, start.images)
    assert result.finite.item() is bool(changed), "the best was never broken"


def test_a_start_that_is_broken_is_not_chosen(
    brightness: Toys, mixture, make_recipe: Recipes, make_task: Tasks
) -> None:
    recipe = make_recipe(mixture, perceptors=[brightness(0.502)], spec="plain", views=1)
    task = make_task(recipe, ["white"])
    _, losses = candidates(recipe, task, 12)
    assert losses.isnan().any(), "the case is not met"
    result = Engine(recipe, rates(0), starts=12, tracks=2).run(task)
    wanted = losses[~losses.isnan()].min()
    torch.testing.assert_close(result.loss[0], wanted)


def test_constraints_without_a_start_picture_compare_with_the_chosen_start(
    mixture, make_recipe: Recipes, make_task: Tasks
) -> None:
    free = make_recipe(mixture)
    held = replace(free, constraints=(Constraint("l2", 100.0),))
    task = make_task(free, ["sun"])
    start = Engine(free, rates(0), starts=5).run(task).images
    moved = [(Engine(r, rates(15), starts=5).run(task).images - start).square().mean() for r in (free, held)]
    assert moved[1] < 0.2 * moved[0]


def test_the_published_part_of_a_larger_canvas(make_recipe: Recipes, make_task: Tasks) -> None:
    generator = Stack(16, 16)
    recipe = make_recipe(generator)
    task = make_task(recipe, ["sun"])
    seen: list[StepInfo] = []
    result = Engine(recipe, rates(2)).run(task, callbacks=[seen.append])
    assert generator.canvas_size != (16, 16)
    assert result.images.shape == seen[0].images().shape == (1, 3, 16, 16)
    assert torch.equal(seen[0].images(), generator(generator.init(task.seeds)))
