"""Recorded steps: the state they keep, and on a GPU, that a replay is the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from fastclipgen.engine.cuda_graph import CapturedStep, copy_of, overwrite
from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.engine.engine import Engine, StepInfo
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import RunState, begin, take_step
from fastclipgen.engine.stepper import Way
from fastclipgen.perceptors import as_perceptor

from .conftest import Toy

Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]


@pytest.fixture
def states(make_recipe: Recipes, make_task: Tasks) -> tuple[RunState, RunState]:
    """A state with everything in it, and the one a step later."""
    recipe = make_recipe(ema=Ema(0.9), best=KeepBest())
    task = make_task(recipe, ["sun", "moon"])
    state = begin(recipe, recipe.generator.init(task.seeds))
    return state, take_step(recipe, task, state, 0, torch.tensor(0.05))[0]


def tensors(state: RunState) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]


def test_a_new_state_shares_nothing(states: tuple[RunState, RunState]) -> None:
    """Compiled code is made for inputs that are apart, as they are after the first step."""
    for state in (states[0], states[1], copy_of(states[0])):
        places = [leaf.untyped_storage().data_ptr() for leaf in tensors(state)]
        assert len(set(places)) == len(places) > 8


def test_a_copy_has_the_values_and_not_the_memory(states: tuple[RunState, RunState]) -> None:
    copy = copy_of(states[0])
    for was, now in zip(tensors(states[0]), tensors(copy), strict=True):
        assert torch.equal(was, now)
        assert was.untyped_storage().data_ptr() != now.untyped_storage().data_ptr()


def test_overwriting_keeps_the_place_and_takes_the_values(states: tuple[RunState, RunState]) -> None:
    old, new = states
    wanted, places = copy_of(new), [leaf.data_ptr() for leaf in tensors(old)]
    overwrite(old, new)
    assert [leaf.data_ptr() for leaf in tensors(old)] == places
    for was, now in zip(tensors(old), tensors(wanted), strict=True):
        assert torch.equal(was, now)


def test_overwriting_with_tensors_of_its_own(states: tuple[RunState, RunState]) -> None:
    """A step may return a tensor that it was given, in its place or in another's."""
    old = states[0]
    old.params["rgb"].fill_(1.0)
    old.last["rgb"].fill_(2.0)
    swapped = old._replace(params={"rgb": old.last["rgb"]}, last={"rgb": old.params["rgb"]})
    overwrite(old, swapped)
    assert old.params["rgb"].unique().tolist() == [2.0]
    assert old.last["rgb"].unique().tolist() == [1.0]


class Waiting(Toy):
    """A perceptor that waits for the device, which no graph can hold."""

    def encode_image(self, views: Tensor) -> Tensor:
        return super().encode_image(views) * (1.0 if views.sum().item() > 0 else 2.0)


def on_gpu(recipe_of: Recipes, task_of: Tasks, eye: Any, **changed: Any) -> tuple[Recipe, Task]:
    recipe = recipe_of(perceptors=[eye], **changed)
    task = task_of(recipe, ["sun", "moon"])
    frozen = recipe.guides[0].perceptor.to("cuda", torch.float32)
    recipe.generator.to("cuda")
    assert frozen.device.type == "cuda"
    targets = tuple(type(t)(t.embeddings.cuda(), t.weights.cuda(), t.stops.cuda()) for t in task.targets)
    return recipe, Task(task.seeds.cuda(), targets)


@pytest.mark.gpu
def test_a_replay_is_the_step(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe, task = on_gpu(make_recipe, make_task, as_perceptor(Toy()), ema=Ema(0.9), best=KeepBest())
    state = begin(recipe, recipe.generator.init(task.seeds))

    def step(state: RunState, number: Tensor, rate: Tensor) -> tuple[RunState, Tensor, Tensor]:
        return take_step(recipe, task, state, number, rate)

    numbers, rates = torch.arange(5, device="cuda"), torch.linspace(0.05, 0.01, 5, device="cuda")
    captured = CapturedStep(step, state, numbers[0], rates[0])
    kept = []
    for k in range(5):
        state, loss, images = step(state, numbers[k], rates[k])
        again, loss_again, images_again = captured(numbers[k], rates[k])
        kept.append((loss, loss_again))
        torch.testing.assert_close(images_again, images)
        for was, now in zip(tensors(state), tensors(again), strict=True):
            torch.testing.assert_close(was, now, atol=1e-5, rtol=1e-4)
    for loss, loss_again in kept:  # earlier results are not overwritten
        torch.testing.assert_close(loss, loss_again, atol=1e-5, rtol=1e-4)


@pytest.mark.gpu
def test_a_run_of_replays_is_the_run(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe, task = on_gpu(make_recipe, make_task, as_perceptor(Toy()))
    rates, lines = torch.full((6,), 0.05), []
    seen: dict[bool, list[StepInfo]] = {True: [], False: []}
    images = []
    for graph in (False, True):
        engine = Engine(recipe, rates, way=Way(graph=graph), notice=lines.append)
        images.append(engine.run(task, callbacks=[seen[graph].append]).images)
    assert lines == []
    torch.testing.assert_close(images[0], images[1], atol=1e-4, rtol=1e-4)
    for one, other in zip(seen[False], seen[True], strict=True):
        torch.testing.assert_close(one.loss, other.loss, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.images(), other.images(), atol=1e-4, rtol=1e-4)


@pytest.mark.gpu
def test_what_cannot_be_recorded_runs_all_the_same(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe, task = on_gpu(make_recipe, make_task, as_perceptor(Waiting()))
    lines: list[str] = []
    result = Engine(recipe, torch.full((4,), 0.05), way=Way(graph=True), notice=lines.append).run(task)
    assert result.steps == 4
    [line] = lines
    assert line.startswith("the step cannot be recorded as a CUDA graph (")
