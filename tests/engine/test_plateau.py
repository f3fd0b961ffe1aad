"""Pictures that get no better: when their rates drop, when they are over, alone and beside others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fastclipgen.engine.ema import KeepBest
from fastclipgen.engine.engine import Engine, EngineResult
from fastclipgen.engine.optimizers import Sgd
from fastclipgen.engine.plateau import PATIENCE, Plateau
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import begin, move
from fastclipgen.generators.pixels import Pixels

CPU = torch.device("cpu")


def factors(plateau: Plateau, losses: list[float]) -> list[float]:
    state, found = plateau.init(1, CPU), []
    for loss in losses:
        state = plateau.update(state, torch.tensor([loss]))
        found.append(round(float(plateau.factor(state)), 6))
    return found


def test_a_rate_drops_after_so_many_steps_without_a_new_lowest_loss() -> None:
    plateau = Plateau(drops=2, patience=3)
    assert factors(plateau, [5, 4, 4, 4.5, 4]) == [1, 1, 1, 1, 0.1], "as low is not lower"
    assert factors(plateau, [5, 6, 6, 4, 5, 5, 5]) == [1, 1, 1, 1, 1, 1, 0.1], "a lower one in time"
    assert factors(plateau, [5] * 8) == [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]
    assert factors(plateau, [5] + [float("nan")] * 3) == [1, 1, 1, 0.1], "NaN is not lower"
    assert Plateau(1).patience == PATIENCE == 12


def test_a_picture_is_over_after_its_last_drop() -> None:
    plateau = Plateau(drops=1, patience=2)
    state, over = plateau.init(2, CPU), []
    for step in range(6):
        state = plateau.update(state, torch.tensor([1.0, 1.0 - step]))
        over.append(plateau.over(state).tolist())
    assert over == [[False, False]] * 4 + [[True, False]] * 2


def test_a_step_moves_by_the_dropped_rate_until_it_is_over() -> None:
    recipe = Recipe(Pixels(2, 2), (), Sgd(), plateau=Plateau(drops=1, patience=1), best=KeepBest())
    state = begin(recipe, {"rgb": torch.zeros(2, 3, 2, 2)})
    gradient, places = {"rgb": torch.full((2, 3, 2, 2), -0.1)}, []
    for step in range(5):
        falling = torch.tensor([1.0, 1.0 - 0.1 * step])
        state = move(recipe, state, gradient, falling if step < 4 else falling - 9, torch.tensor(1.0))
        places.append(state.params["rgb"][:, 0, 0, 0].tolist())
    expected = torch.tensor([[0.1, 0.1], [0.11, 0.2], [0.11, 0.3], [0.11, 0.4], [0.11, 0.5]])
    torch.testing.assert_close(torch.tensor(places), expected)
    assert state.best is not None
    assert float(state.best.loss[0]) == 1.0, "a lower loss when it is over is luck"


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe]) -> Recipe:
    # the same whole picture at every step: nothing is random
    return make_recipe(spec="plain", views=1, plateau=Plateau(drops=1, patience=3))


def test_a_run_ends_when_all_its_pictures_are_over(recipe: Recipe, make_task: Callable[..., Task]) -> None:
    task = make_task(recipe, ["sun", "moon"])
    rates = torch.zeros(50)  # nothing moves, so no loss is ever lower than the first
    assert Engine(recipe, rates).run(task).steps == 1 + 2 * 3
    assert Engine(recipe, torch.full((6,), 0.01)).run(task).steps == 6, "losses that go down go on"


def test_alone_and_beside_a_picture_that_goes_on(recipe: Recipe, make_task: Callable[..., Task]) -> None:
    def run(prompts: list[str], seeds: list[int]) -> EngineResult:
        return Engine(recipe, torch.full((60,), 0.3)).run(make_task(recipe, prompts, seeds))

    together, first, second = run(["sun", "moon"], [5, 6]), run(["sun"], [5]), run(["moon"], [6])
    assert first.steps != second.steps
    assert together.steps == max(first.steps, second.steps) < 60
    for row, alone in enumerate((first, second)):
        torch.testing.assert_close(together.images[row], alone.images[0], atol=1e-3, rtol=0)
