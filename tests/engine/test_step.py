"""One step: the loss is what its parts say, only parameters move, and every part of the recipe has its effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.engine import sight as sight_module
from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.engine.optimizers import Adam, Sgd
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.sight import guided_loss, score
from fastclipgen.engine.step import begin, canvas, finish, fit_spec, take_step
from fastclipgen.generators.pixels import Pixels
from fastclipgen.generators.stack import Stack
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.ops.cutout_spec import CutoutSpec
from fastclipgen.perceptors import FrozenPerceptor

Toys = Callable[..., FrozenPerceptor]
Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]
RATE = torch.tensor(0.05)


def pictures(count: int = 2, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def distance(eye: FrozenPerceptor, images: Tensor, text: str) -> Tensor:
    """1 - cosine of whole 16 x 16 pictures and a text, [B]."""
    return 1 - F.cosine_similarity(eye.encode_image(images), eye.encode_text([text]), dim=1)


def test_the_loss_of_plain_views(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], spec="plain", views=1)
    task = make_task(recipe, ["sun", "moon"])
    images = pictures()
    loss = guided_loss(recipe, task, images, 0, recipe.guides)
    wanted = torch.stack([distance(eye, images[:1], "sun")[0], distance(eye, images[1:], "moon")[0]])
    torch.testing.assert_close(loss, wanted)
    scored, similarities = score(recipe, task, images)
    torch.testing.assert_close(scored, wanted)
    torch.testing.assert_close(similarities[0][:, 0], 1 - wanted)


def test_prompts_are_averaged_or_added(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    mean = make_recipe(perceptors=[eye], spec="plain", views=1)
    images = pictures()
    task = make_task(mean, ["sun|moon:3", "sun"])  # the second picture's missing prompt is padding
    one, three = distance(eye, images, "sun"), 3 * distance(eye, images, "moon")
    wanted = torch.stack([(one + three)[0] / 2, one[1]])
    for measure in (lambda r: guided_loss(r, task, images, 0, r.guides), lambda r: score(r, task, images)[0]):
        torch.testing.assert_close(measure(mean), wanted)
        added = measure(replace(mean, prompt_mean=False))
        torch.testing.assert_close(added, torch.stack([(one + three)[0], one[1]]))


def test_negative_prompts_push_away(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], spec="plain", views=1, prompt_mean=False)
    images = pictures(1)
    loss = guided_loss(recipe, make_task(recipe, ["sun"], negatives=["moon:0.5"]), images, 0, recipe.guides)
    torch.testing.assert_close(loss, distance(eye, images, "sun") - 0.5 * distance(eye, images, "moon"))


def test_an_ensemble_is_weighted(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eyes = toy(0), toy(1)
    recipe = make_recipe(perceptors=[(eyes[0], 2.0), (eyes[1], 0.25)], spec="plain", views=1)
    images = pictures(1)
    wanted = 2 * distance(eyes[0], images, "sun") + 0.25 * distance(eyes[1], images, "sun")
    task = make_task(recipe, ["sun"])
    torch.testing.assert_close(guided_loss(recipe, task, images, 0, recipe.guides), wanted)
    loss, similarities = score(recipe, task, images)
    torch.testing.assert_close(loss, wanted)
    assert len(similarities) == 2


def test_spherical_is_another_loss(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(spec="plain", views=1)
    task, images = make_task(recipe, ["sun"]), pictures(1)
    cosine = guided_loss(recipe, task, images, 0, recipe.guides)
    spherical = guided_loss(replace(recipe, loss="spherical"), task, images, 0, recipe.guides)
    angle = torch.acos(1 - cosine)
    torch.testing.assert_close(spherical, angle.square() / 2, atol=1e-4, rtol=1e-4)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """The parameters of all views, in the order they are drawn."""
    found = []
    plain = sight_module.sample_cutouts
    monkeypatch.setattr(sight_module, "sample_cutouts", lambda *args: found.append(plain(*args)) or found[-1])
    return found


def test_draws_depend_on_seed_step_and_guide_only(
    drawn: list, toy: Toys, make_recipe: Recipes, make_task: Tasks
) -> None:
    recipe = make_recipe(perceptors=[toy(0), toy(0)])
    task = make_task(recipe, ["sun", "moon", "sea"], [7, 8, 9])
    guided_loss(recipe, task, pictures(3), 4, recipe.guides)
    guided_loss(recipe, task.rows(torch.tensor([1])), pictures(1), 4, recipe.guides)
    guided_loss(recipe, task.rows(torch.tensor([1])), pictures(1), 5, recipe.guides)
    both, second, *alone = drawn[0].matrix, drawn[1].matrix, *(params.matrix for params in drawn[2:])
    assert torch.equal(both[1:2], alone[0])
    assert torch.equal(second[1:2], alone[1])
    distinct = [both[0], both[1], *(matrix[0] for matrix in alone[1:])]
    for i, one in enumerate(distinct):
        assert not any(torch.equal(one, other) for other in distinct[:i])
    # a step as a tensor, as a compiled loop has it, draws the same
    guided_loss(recipe, task.rows(torch.tensor([1])), pictures(1), torch.tensor(4), recipe.guides)
    assert torch.equal(drawn[-1].matrix, alone[1])


def test_a_step_moves_the_parameters_and_nothing_else(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], spec="plain", views=1)
    task = make_task(recipe, ["sun", "moon"])
    params = {"rgb": pictures()}
    before = params["rgb"].clone()
    with torch.no_grad():  # the caller's mode is no matter
        state, loss, images = take_step(recipe, task, begin(recipe, params), 0, RATE)
    assert torch.equal(params["rgb"], before)
    assert torch.equal(images, before)
    assert not any(tensor.requires_grad for tensor in (state.params["rgb"], loss, images))
    assert all(p.grad is None for p in eye.parameters())
    assert (state.params["rgb"] != before).flatten(1).any(1).all()
    assert (guided_loss(recipe, task, state.params["rgb"].clamp(0, 1), 0, recipe.guides) < loss).all()
    assert state.alive.all()


def test_constraints_act(make_recipe: Recipes, make_task: Tasks) -> None:
    plain = make_recipe(spec="plain", views=1)
    bound = replace(plain, constraints=(Constraint("l2", 10.0), Constraint("tv", 0.5)))
    start, images = pictures(1), pictures(1, seed=1)
    task = make_task(plain, ["sun"])._replace(start=start)
    (_, free, _), (state, held, _) = (
        take_step(recipe, task, begin(recipe, {"rgb": images}), 0, RATE) for recipe in (plain, bound)
    )
    down, right = (images.diff(dim=dim).abs().mean() for dim in (2, 3))
    torch.testing.assert_close(held, free + 10 * (images - start).square().mean() + 0.5 * (down + right))
    for step in range(30):
        state, _, _ = take_step(bound, task, state, step, RATE)
    assert (state.params["rgb"] - start).square().mean() < 0.3 * (images - start).square().mean()


def test_only_masked_pixels_change(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    start, mask = pictures(1), torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1
    mask[..., 8] = 0.25
    task = make_task(recipe, ["sun"])._replace(start=start, mask=mask)
    state = begin(recipe, {"rgb": start.clone()})
    for step in range(5):
        state, _, seen = take_step(recipe, task, state, step, RATE)
    images = canvas(recipe, task, state.params)
    assert torch.equal(images[..., 9:], start[..., 9:])
    assert torch.equal(seen[..., 9:], start[..., 9:])
    assert (images[..., :8] != start[..., :8]).float().mean() > 0.9
    assert torch.equal(images[..., :8], state.params["rgb"].clamp(0, 1)[..., :8])
    drawn = state.params["rgb"].clamp(0, 1)[..., 8]
    torch.testing.assert_close(images[..., 8], start[..., 8] + 0.25 * (drawn - start[..., 8]))


class Recorder(Pixels):
    """Pixels that are held in 0.4..0.6, with a preconditioner that turns the gradient round."""

    def precondition(self, grads: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: -value for key, value in grads.items()}

    def project(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: value.clamp(0.4, 0.6) for key, value in params.items()}


@pytest.mark.parametrize(("optimizer", "sign"), [(Sgd(), -1), (Adam(), 1)])
def test_only_sgd_is_preconditioned_and_all_is_projected(
    optimizer: Sgd | Adam, sign: int, make_recipe: Recipes, make_task: Tasks
) -> None:
    recipe = make_recipe(Recorder(16, 16), spec="plain", views=1, optimizer=optimizer)
    plain = replace(recipe, generator=Pixels(16, 16))
    task, start = make_task(recipe, ["sun"]), 0.45 + 0.1 * pictures(1)
    turned, usual = (
        take_step(r, task, begin(r, {"rgb": start}), 0, torch.tensor(0.01))[0].params["rgb"] for r in (recipe, plain)
    )
    assert not torch.equal(usual, start)
    torch.testing.assert_close(turned, (start + sign * (usual - start)).clamp(0.4, 0.6))
    far = take_step(recipe, task, begin(recipe, {"rgb": start}), 0, torch.tensor(1e6))[0].params["rgb"]
    assert far.unique().tolist() == pytest.approx([0.4, 0.6])


def test_a_broken_picture_goes_back_and_stays_while_others_go_on(
    brightness: Toys, make_recipe: Recipes, make_task: Tasks
) -> None:
    recipe = make_recipe(perceptors=[brightness(0.6)], spec="plain", views=1, ema=Ema(0.5), best=KeepBest())
    task = make_task(recipe, ["white", "black"])
    state = begin(recipe, {"rgb": torch.full((2, 3, 16, 16), 0.45)})
    history = []
    for step in range(6):
        history.append(state.params["rgb"])
        state, loss, _ = take_step(recipe, task, state, step, RATE)
        if step == 4:  # 0.45, 0.5, 0.55, 0.6, 0.65: now it is too bright
            assert not loss[0].isfinite()
    assert state.alive.tolist() == [False, True]
    assert torch.equal(state.params["rgb"][0], history[3][0])
    assert state.params["rgb"].isfinite().all()
    alone = begin(recipe, {"rgb": torch.full((1, 3, 16, 16), 0.45)})
    for step in range(6):
        alone, _, _ = take_step(recipe, task.rows(torch.tensor([1])), alone, step, RATE)
    torch.testing.assert_close(state.params["rgb"][1], alone.params["rgb"][0])
    assert finish(recipe, state)["rgb"].isfinite().all()


def test_what_is_published(brightness: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(perceptors=[brightness()], spec="plain", views=1, optimizer=Sgd())
    task = make_task(recipe, ["white"])
    start = {"rgb": torch.full((1, 3, 16, 16), 0.3)}

    def run(recipe: Recipe, rates: list[float]) -> tuple[list[Tensor], Tensor]:
        state, seen = begin(recipe, start), []
        for step, rate in enumerate(rates):
            state, _, _ = take_step(recipe, task, state, step, torch.tensor(rate))
            seen.append(state.params["rgb"])
        return seen, finish(recipe, state)["rgb"]

    rates = [100.0, 100.0, -1000.0, 1.0]  # better, better, much worse
    seen, last = run(recipe, rates)
    assert torch.equal(last, seen[-1])
    seen, best = run(replace(recipe, best=KeepBest()), rates)
    assert torch.equal(best, seen[1])
    seen, average = run(replace(recipe, ema=Ema(0.5)), rates)
    weights = [0.0625, 0.125, 0.25, 0.5]
    wanted = sum(w * x for w, x in zip(weights, seen, strict=True)) / torch.tensor(sum(weights))
    torch.testing.assert_close(average, wanted)
    _, both = run(replace(recipe, best=KeepBest(), ema=Ema(0.5)), rates)
    assert torch.equal(both, best)


def test_the_rows_of_a_task(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    task = make_task(recipe, ["sun", "moon|sea", "sky"], [4, 5, 6])._replace(start=pictures(3), mask=pictures(3)[:, :1])
    rows = task.rows(torch.tensor([2, 0, 0]))
    assert rows.seeds.tolist() == [6, 4, 4]
    assert rows.start is not None
    assert rows.mask is not None
    assert torch.equal(rows.start, pictures(3)[[2, 0, 0]])
    assert torch.equal(rows.mask, pictures(3)[[2, 0, 0], :1])
    assert torch.equal(rows.targets[0].embeddings[1], task.targets[0].embeddings[0])
    assert make_task(recipe, ["sun"]).rows(torch.tensor([0])).start is None


def test_exact_crops_only_at_the_perceptors_own_size() -> None:
    das = preset("das")
    assert isinstance(das, CutoutSpec)
    assert fit_spec(das, Stack(32, 32), 32) == das
    for generator in (Stack(64, 64), Stack(32, 48)):
        fitted = fit_spec(das, generator, 32)
        assert isinstance(fitted, CutoutSpec)
        assert not fitted.integer_shift
        assert fitted.noise_scale == das.noise_scale
        share = min(generator.height, generator.width) / min(generator.canvas_size)
        assert fitted.crop == (share, share)
    for name in ("crops", "clipit"):
        assert fit_spec(preset(name), Stack(64, 64), 32) == preset(name)
