"""How steps are taken: in smaller pieces when memory runs out, without a compiler when compiling fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastclipgen.engine import stepper as stepper_module
from fastclipgen.engine.compiled import Compiled
from fastclipgen.engine.engine import Engine, EngineResult
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.stepper import Way
from fastclipgen.errors import UserError
from fastclipgen.perceptors import FrozenPerceptor

Toys = Callable[..., FrozenPerceptor]
Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]
FULL = "[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory"


class Scarce:
    """Stands before a perceptor's encode_image and refuses what needs more than `most` views at once."""

    def __init__(self, eye: FrozenPerceptor, most: int, error: Exception | None = None) -> None:
        self.plain, self.most, self.sizes = eye.encode_image, most, []
        self.error = error or RuntimeError(FULL)
        eye.encode_image = self  # pyright: ignore

    def __call__(self, views: Tensor) -> Tensor:
        if views.requires_grad:  # of a step, not of a finished picture
            self.sizes.append(len(views))
            if len(views) > self.most:
                raise self.error
        return self.plain(views)


def run(recipe: Recipe, task: Task, steps: int = 3, way: Way | None = None) -> tuple[EngineResult, list[str]]:
    lines: list[str] = []
    engine = Engine(recipe, torch.full((steps,), 0.05), way=way or Way(), notice=lines.append)
    return engine.run(task), lines


@pytest.mark.parametrize("error", [RuntimeError(FULL), torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_pictures_are_taken_apart_when_memory_runs_out(
    error: Exception, toy: Toys, make_recipe: Recipes, make_task: Tasks
) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], views=4)
    task = make_task(recipe, ["sun", "moon", "sea"])
    whole, quiet = run(recipe, task)
    scarce = Scarce(eye, most=4, error=error)
    parts, lines = run(recipe, task)
    assert quiet == []
    assert lines == [
        "the device ran out of memory; going on with 2 pictures at a time",
        "the device ran out of memory; going on with 1 picture at a time",
    ]
    assert scarce.sizes == [12, 4, 8, *[4] * 9], "the step is repeated, and those that follow begin small"
    assert parts.steps == 3
    torch.testing.assert_close(parts.images, whole.images, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(parts.loss, whole.loss, atol=1e-5, rtol=1e-4)


def test_then_views_are_taken_apart(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], views=5)
    task = make_task(recipe, ["sun"])
    whole, _ = run(recipe, task)
    Scarce(eye, most=2)
    parts, lines = run(recipe, task)
    assert [line.rpartition("with ")[2] for line in lines] == [
        "3 views of one picture at a time", "2 views of one picture at a time",
    ]  # fmt: skip
    torch.testing.assert_close(parts.images, whole.images, atol=1e-5, rtol=1e-4)


def test_memory_that_runs_out_in_the_middle(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], views=4)
    task = make_task(recipe, ["sun", "moon"])
    whole, _ = run(recipe, task, steps=4)
    scarce = Scarce(eye, most=8)

    class Later(Scarce):
        def __call__(self, views: Tensor) -> Tensor:
            self.most = 4 if len(self.sizes) > 1 else 8
            return super().__call__(views)

    scarce.__class__ = Later
    parts, lines = run(recipe, task, steps=4)
    assert scarce.sizes == [8, 8, 8, 4, 4, 4, 4], "the third step found less memory, and was taken again"
    assert len(lines) == 1
    torch.testing.assert_close(parts.images, whole.images, atol=1e-5, rtol=1e-4)


def test_when_nothing_is_left_to_cut_the_error_is_heard(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    eye = toy()
    recipe = make_recipe(perceptors=[eye], views=2)
    Scarce(eye, most=0)
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        run(recipe, make_task(recipe, ["sun", "moon"]))


def test_other_errors_change_nothing(toy: Toys, make_recipe: Recipes, make_task: Tasks) -> None:
    for error in (RuntimeError("a mistake of ours"), UserError("a mistake of yours")):
        eye = toy()
        recipe = make_recipe(perceptors=[eye], views=2)
        scarce = Scarce(eye, most=0, error=error)
        with pytest.raises(type(error), match="a mistake of"):
            run(recipe, make_task(recipe, ["sun", "moon"]))
        assert scarce.sizes == [4], "and is not tried again"


def test_starts_are_scored_in_halves_when_memory_runs_out(
    toy: Toys, mixture, make_recipe: Recipes, make_task: Tasks
) -> None:
    eye = toy()
    recipe = make_recipe(mixture, perceptors=[eye])
    task = make_task(recipe, ["sun", "moon"])
    whole = Engine(recipe, torch.zeros(0), starts=9, tracks=2).run(task)
    plain, sizes = eye.encode_image, []

    def scarce(views: Tensor) -> Tensor:
        sizes.append(len(views))
        if len(views) > 5:
            raise RuntimeError(FULL)
        return plain(views)

    eye.encode_image = scarce  # pyright: ignore
    parts = Engine(recipe, torch.zeros(0), starts=9, tracks=2).run(task)
    assert max(sizes) == 18
    torch.testing.assert_close(parts.images, whole.images)


@pytest.fixture
def broken_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Compiled, *_: object) -> None:
        raise NotImplementedError("no kernel for this\nand much more")

    monkeypatch.setattr(Compiled, "__call__", fail)


@pytest.mark.usefixtures("broken_compiler")
def test_without_a_working_compiler_the_run_goes_on(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    task = make_task(recipe, ["sun"])
    eager, _ = run(recipe, task)
    for way in (Way(compiled=True), Way(Cut(1, 2), compiled=True)):
        result, lines = run(recipe, task, way=way)
        assert lines == ["the step could not be compiled (no kernel for this); going on without"]
        torch.testing.assert_close(result.images, eager.images, atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("broken_compiler")
def test_unless_compiling_was_asked_for(make_recipe: Recipes, make_task: Tasks) -> None:
    recipe = make_recipe()
    sentence = r"expected to compile the step, but that failed \(no kernel for this\); use --compile off"
    with pytest.raises(UserError, match=sentence):
        run(recipe, make_task(recipe, ["sun"]), way=Way(compiled=True, strict=True))


def test_a_torch_that_cannot_trace_gradients_compiles_around_them(
    make_recipe: Recipes, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: list[str] = []

    def wrap(function: Callable) -> Callable:
        wrapped.append(function.__name__)
        return function

    monkeypatch.setattr(stepper_module, "Compiled", wrap)
    recipe = make_recipe()
    task = make_task(recipe, ["sun", "moon"])
    eager, _ = run(recipe, task)
    for traces, functions in (
        (True, {"take_step", "slope", "slope_of_part", "move", "retouched"}),
        (False, {"forward", "prompt_loss", "move", "retouched"}),
    ):
        monkeypatch.setattr(stepper_module, "traces_gradients", lambda traces=traces: traces)
        for cut in (Cut(), Cut(1), Cut(1, 3)):
            wrapped.clear()
            result, _ = run(recipe, task, way=Way(cut, compiled=True))
            assert set(wrapped) == functions
            torch.testing.assert_close(result.images, eager.images, atol=1e-5, rtol=1e-4)


def test_a_smaller_last_batch_is_not_compiled_anew(
    make_recipe: Recipes, make_task: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def wrap(function: Callable) -> Callable:
        return lambda recipe, task, *rest: calls.append(len(task.seeds)) or function(recipe, task, *rest)

    monkeypatch.setattr(stepper_module, "Compiled", wrap)
    recipe = make_recipe()
    task = make_task(recipe, ["sun", "moon", "sea"])
    engine = Engine(recipe, torch.full((2,), 0.05), way=Way(compiled=True))
    for rows in ([0, 1], [2], [1, 2]):
        engine.run(task.rows(torch.tensor(rows)))
    assert calls == [2, 2, 2, 2]
