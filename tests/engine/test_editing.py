"""Edits in a run: what they change in its state, and that every way of taking steps goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.engine import cuda_graph
from fastclipgen.engine.cuda_graph import CapturedStep
from fastclipgen.engine.editing import edited, owned
from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.engine.engine import Engine, StepInfo
from fastclipgen.engine.micro_batch import Cut, blocks
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import RunState, begin, take_step
from fastclipgen.engine.stepper import Stepper, Way
from fastclipgen.generators.stack import Stack
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.guidance.edits import Edit, Overlay, Zoom
from fastclipgen.guidance.pulls import Pull

from .conftest import SIZE

Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]
RATE = torch.tensor(0.05)


def shift(**rule: Any) -> Edit:
    times: dict[str, Any] = {"every": 2, "first": 1} | rule
    return Edit(Zoom(SIZE, SIZE, shift=(3, 0)), **times, moves=True)


def red(**rule: Any) -> Edit:
    light = torch.zeros(3, SIZE, SIZE)
    light[0] = 1.0
    times: dict[str, Any] = {"every": 2} | rule
    return Edit(Overlay(light, torch.ones(1, SIZE, SIZE)), **times)


def after_steps(recipe: Recipe, task: Task, count: int = 3) -> RunState:
    state = begin(recipe, recipe.generator.init(task.seeds))
    for step in range(count):
        state = take_step(recipe, task, state, step, RATE)[0]
    return state


def seen(recipe: Recipe, task: Task, steps: int = 5, way: Way | None = None) -> tuple[Tensor, Tensor]:
    """The pictures before every step and the finished ones, [steps + 1, B, 3, H, W], and the losses [steps, B]."""
    kept: list[StepInfo] = []
    engine = Engine(recipe, torch.full((steps,), 0.05), way=way or Way(), notice=pytest.fail)
    finished = engine.run(task, callbacks=[kept.append]).images
    return torch.stack([*(info.images() for info in kept), finished]), torch.stack([info.loss for info in kept])


def test_pictures_change_before_the_steps_that_are_due_alone(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(edits=(red(every=3, offset=1, until=5),))
    images, _ = seen(recipe, make_task(recipe, ["sun", "moon"]), steps=9)
    wholly_red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    at = [step for step in range(10) if torch.equal(images[step], wholly_red.expand_as(images[step]))]
    assert at == [1, 4]


def test_the_zoom_comes_before_the_overlay_that_is_due_at_once(make_recipe: Recipes, make_task: Tasks) -> None:
    spot = Edit(Overlay(torch.zeros(3, SIZE, SIZE), torch.eye(SIZE)[None]), every=2, offset=0, first=1)
    recipe = make_recipe(edits=(shift(), spot))
    images, _ = seen(recipe, make_task(recipe, ["sun"]), steps=3)
    assert torch.equal(images[2, 0, 0].diagonal(), torch.zeros(SIZE))
    alone = make_recipe(edits=(shift(),))
    moved, _ = seen(alone, make_task(alone, ["sun"]), steps=3)
    assert torch.equal(images[2], moved[2] * (1 - torch.eye(SIZE)))


def test_an_overlay_keeps_the_optimiser_and_a_zoom_does_not(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(ema=Ema(0.9), best=KeepBest())
    task = make_task(recipe, ["sun", "moon"])
    before = after_steps(recipe, task)
    moments = before.optimizer.slots
    assert all(value.abs().sum() > 0 for slot in moments.values() for value in slot.values())
    laid, moved = (edited(recipe, task, before, [edit]) for edit in (red(), shift()))
    assert laid.optimizer.slots is moments
    assert int(laid.optimizer.step) == 3
    assert int(moved.optimizer.step) == 0
    assert all(value.abs().sum() == 0 for slot in moved.optimizer.slots.values() for value in slot.values())
    for after in (laid, moved):
        assert after.ema is not None
        assert after.best is not None
        assert int(after.ema.step) == 0, "the average counts from the edit on"
        assert after.best.loss.isinf().all(), "and so does the best"
        assert after.last is before.last
        assert after.alive is before.alive


def test_average_and_best_are_those_since_the_edit(make_recipe: Recipes, make_task: Tasks) -> None:
    """An edit before the last step leaves one set of parameters to average and, as its loss counts, to choose from."""
    for kept in ({"ema": Ema(0.9)}, {"best": KeepBest()}):
        recipe = make_recipe(edits=(red(every=4, offset=3),), **kept)
        images, _ = seen(recipe, make_task(recipe, ["sun"]), steps=4)
        assert (images[-1] - images[-2]).abs().max() < 0.06, kept


def test_the_start_that_holds_is_the_edited_one(mixture: Any, make_recipe: Recipes, make_task: Tasks) -> None:
    mixture.latent = "mix"
    mixture.init_from = lambda images: {"mix": torch.full((len(images), 5), 2.0)}
    recipe = make_recipe(mixture, pulls=(Pull("l2", 1.0),), constraints=(Constraint("l1"),), edits=(shift(),))
    engine, mine = Engine(recipe, torch.zeros(4)), make_task(recipe, ["sun", "moon"])
    task, params = engine.prepared(mine, None)
    task = owned(recipe, task)
    assert task.origin is not None
    assert task.start is not None
    parts = blocks(task, Cut(1))
    for edit, changed in ((red(), False), (shift(), True)):
        edited(recipe, task, begin(recipe, params), [edit])
        assert task.origin.eq(2.0).all() == changed
        start = mixture.canvas({"mix": torch.full((2, 5), 2.0)})
        assert torch.allclose(task.start, start) == changed
    for row, part in enumerate(parts):  # what steps in pieces have been given
        assert part.origin is not None
        assert part.start is not None
        assert torch.equal(part.origin[0], task.origin[row])
        assert torch.equal(part.start[0], task.start[row])


def test_a_task_of_the_callers_is_not_written_into(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(constraints=(Constraint("l1"),), edits=(shift(every=1),))
    start = torch.rand(1, 3, SIZE, SIZE)
    copy, params = start.clone(), {"rgb": start.clone()}
    Engine(recipe, torch.full((3,), 0.1)).run(make_task(recipe, ["sun"])._replace(start=start), params)
    assert torch.equal(start, copy)
    assert torch.equal(params["rgb"], copy)


@pytest.mark.parametrize("way", [Way(cut=Cut(1)), Way(cut=Cut(1, 2))], ids=["rows", "views"])
def test_in_pieces(way: Way, make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe(edits=(shift(), red(every=3, offset=2)), constraints=(Constraint("l2"),))
    task = make_task(recipe, ["sun", "moon"])
    for part, whole in zip(seen(recipe, task, way=way), seen(recipe, task), strict=True):
        torch.testing.assert_close(part, whole, atol=1e-5, rtol=1e-4)


def test_alone_and_in_a_batch_to_the_bit(make_recipe: Recipes, make_task: Tasks) -> None:
    edits = (Edit(Zoom(SIZE, SIZE, 1.1, 7.0, (1, 2)), 2, first=1, moves=True), red(every=4, offset=3))
    recipe = make_recipe(Stack(SIZE, SIZE), deterministic=True, edits=edits, constraints=(Constraint("l1"),))
    together, _ = seen(recipe, make_task(recipe, ["sun", "moon"], [5, 6]))
    for row, prompt in enumerate(["sun", "moon"]):
        alone, _ = seen(recipe, make_task(recipe, [prompt], [5 + row]))
        assert torch.equal(alone[:, 0], together[:, row])


def test_tracks_are_edited_alike(make_recipe: Recipes, make_task: Tasks) -> None:
    """Three tracks of a picture, one of which goes on from step 2 on."""
    recipe = make_recipe(edits=(red(every=3),))
    kept: list[Tensor] = []
    engine = Engine(recipe, torch.full((8,), 0.05), starts=4, tracks=3, finalists=1)
    engine.run(make_task(recipe, ["sun", "moon"]), callbacks=[lambda info: kept.append(info.images())])
    assert [step for step in range(8) if kept[step][:, 1:].eq(0).all()] == [0, 3, 6]


def test_what_breaks_after_an_edit_goes_back(brightness: Any, make_recipe: Recipes, make_task: Tasks) -> None:
    white = Edit(Overlay(torch.ones(3, SIZE, SIZE), torch.ones(1, SIZE, SIZE)), every=9, offset=2)
    recipe = make_recipe(perceptors=[brightness(0.9)], edits=(white,))
    task = make_task(recipe, ["black"])
    engine = Engine(recipe, torch.full((5,), 0.05))
    result, free = engine.run(task), Engine(replace(recipe, edits=()), engine.rates[:2]).run(task)
    assert result.finite.tolist() == [False]
    # the last parameters with a finite loss are those before the second step
    assert result.images.mean() == pytest.approx(float(free.images.mean()), abs=0.06)
    assert result.images.mean() < 0.5


class Replayed:
    """Stands for a CUDA graph: does the recorded work again, on the tensors that it was recorded with."""

    def __init__(self, work: Callable[[], tuple[Tensor, Tensor]], result: tuple[Tensor, Tensor]) -> None:
        self.work, self.result = work, result

    def replay(self) -> None:
        for was, now in zip(self.result, self.work(), strict=True):
            was.copy_(now)


def test_a_recorded_step_goes_on_from_an_edited_state(
    make_recipe: Recipes, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(work: Any, *_: Any, **__: Any) -> tuple[Replayed, tuple[Tensor, Tensor]]:
        result = torch.zeros(2), torch.zeros(2, 3, SIZE, SIZE)
        return Replayed(work, result), result

    monkeypatch.setattr(cuda_graph, "record", record)
    recipe = make_recipe(ema=Ema(0.9), constraints=(Constraint("l1"),), edits=(shift(),))
    task = owned(recipe, Engine(recipe, torch.zeros(1)).prepared(make_task(recipe, ["sun", "moon"]), None)[0])
    state = after_steps(recipe, task)
    stepper = Stepper(recipe, RATE.expand(6), Way(), notice=pytest.fail)
    stepper.begin(task)
    stepper._captured = CapturedStep(partial(take_step, recipe, task), state, torch.tensor(3), RATE)
    recorded = stepper.take(state, 3)[0]
    state = take_step(recipe, task, state, 3, RATE)[0]
    places = {key: value.data_ptr() for key, value in recorded.params.items()}
    recorded = stepper.put(edited(recipe, task, recorded, [shift()]))
    state = edited(recipe, task, state, [shift()])
    for step in (4, 5):
        recorded, loss, images = stepper.take(recorded, step)
        state, wanted, drawn = take_step(recipe, task, state, step, RATE)
        assert torch.equal(images, drawn)
        assert torch.equal(loss, wanted)
    assert {key: value.data_ptr() for key, value in recorded.params.items()} == places


def test_a_compiled_step_is_compiled_once(
    make_recipe: Recipes, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    edits = (shift(), red(every=5, offset=3))
    recipe = make_recipe(edits=edits, constraints=(Constraint("l1"),), ema=Ema(0.9))
    plain = replace(recipe, edits=())
    task, way = make_task(recipe, ["sun", "moon"]), Way(compiled=True, strict=True)
    engine = Engine(recipe, torch.full((6,), 0.05), way=way)
    engine.run(make_task(plain, ["sea", "sky"]))
    losses: list[Tensor] = []
    with torch._dynamo.config.patch(error_on_recompile=True):
        engine.run(task, callbacks=[lambda info: losses.append(info.loss)])
    torch._dynamo.reset()
    torch.testing.assert_close(torch.stack(losses), seen(recipe, task, steps=6)[1], atol=2e-4, rtol=2e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, True])
def test_recorded_on_a_gpu(compiled: bool, make_recipe: Recipes, make_task: Tasks) -> None:
    edits = [Edit(Zoom(SIZE, SIZE, 1.1, 5.0, device="cuda"), 3, first=1, moves=True)]
    recipe = make_recipe(edits=tuple(edits), constraints=(Constraint("l1"),), ema=Ema(0.9))
    task = make_task(recipe, ["sun", "moon"])
    recipe.guides[0].perceptor.to("cuda", torch.float32)
    recipe.generator.to("cuda")
    targets = tuple(type(t)(t.embeddings.cuda(), t.weights.cuda(), t.stops.cuda()) for t in task.targets)
    task = Task(task.seeds.cuda(), targets)
    for one, other in zip(
        seen(recipe, task, 12, Way(graph=True, compiled=compiled)), seen(recipe, task, 12), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
