"""Tracks against each other: who goes on, when, and that the rest of the run is theirs alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from fastclipgen.engine.ema import KeepBest
from fastclipgen.engine.engine import Engine, StepInfo
from fastclipgen.engine.optimizers import Adam
from fastclipgen.engine.race import PART, Race
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.stepper import Way

Recipes = Callable[..., Recipe]
Tasks = Callable[..., Task]


def finals(race: Race, done: int) -> list[int]:
    found = race.finals(done)
    assert found is not None
    return found.tolist()


def test_the_lowest_mean_losses_go_on_best_first() -> None:
    race = Race(tracks=3, finalists=2, steps=16)
    assert race.until == 4
    # the first two steps do not count; the last track of the second picture broke down
    losses = [[0, 9, 9, 9, 9, 0.0], [0, 9, 9, 9, 9, 0.0], [5, 1, 2, 3, 4, math.nan], [5, 2, 2, 6, 4, 0.0]]
    for done, loss in enumerate(losses, start=1):
        assert race.finals(done - 1) is None
        race.note(done, torch.tensor(loss))
    assert finals(race, 4) == [1, 2, 4, 3]
    assert race.finals(5) is None


def test_later_steps_change_no_standing() -> None:
    race = Race(2, 1, 8)
    written = torch.tensor([1.0, 2.0])
    race.note(2, written)
    written.fill_(0.0)  # as a CUDA graph does
    assert finals(race, 2) == [0]


def test_there_is_no_race_where_all_go_on_or_steps_are_few() -> None:
    for race in (Race(2, 2, 100), Race(1, 3, 100), Race(4, 1, 3)):
        assert race.parts == [(race.tracks, 1.0)]
        race.note(1, torch.ones(race.tracks))
        assert race.finals(0) is race.finals(1) is None
    assert Race(6, 2, 40).parts == [(6, PART), (2, 1 - PART)]


def test_finalists_draw_the_pictures_they_would_have_drawn(mixture, make_recipe: Recipes, make_task: Tasks) -> None:
    """With the optimiser's state, and whatever else a step keeps, going on with them."""
    recipe = make_recipe(mixture, optimizer=Adam(), deterministic=True, views=3, best=KeepBest())
    task, rates = make_task(recipe, ["sun", "moon"]), torch.full((8,), 0.05)
    engine = Engine(recipe, rates, starts=9, tracks=3, finalists=1)
    seeds = engine._best_starts(task).view(2, 3)
    seen: list[StepInfo] = []
    result = engine.run(task, callbacks=[seen.append])
    for row in range(2):
        runs = []
        for seed in seeds[row]:
            alone: list[StepInfo] = []
            one = task.rows(torch.tensor([row]))._replace(seeds=seed[None])
            runs.append((Engine(recipe, rates).run(one, callbacks=[alone.append]), alone))
        images, losses = min(
            ((run.images[0], [info.loss[0] for info in alone]) for run, alone in runs), key=lambda x: x[1][1]
        )
        assert torch.equal(result.images[row], images)
        assert torch.equal(torch.stack([info.loss[row] for info in seen[2:]]), torch.stack(losses[2:]))
    assert [len(info.loss) for info in seen] == [2] * 8


def test_the_cut_saves_the_steps_of_the_others(toy, make_recipe: Recipes, make_task: Tasks) -> None:
    eye, sizes = toy(), []
    plain = eye.encode_image
    eye.encode_image = lambda views: sizes.append(len(views)) or plain(views)
    recipe = make_recipe(perceptors=[eye], views=5)
    Engine(recipe, torch.full((8,), 0.05), starts=3, tracks=3, finalists=1).run(make_task(recipe, ["sun", "moon"]))
    assert sizes[1:-1] == [2 * 3 * 5] * 2 + [2 * 5] * 6, "between the look at starts and that at finished pictures"
    assert sizes[-1] == 2


def test_both_parts_of_a_compiled_run_are_compiled(
    mixture, make_recipe: Recipes, make_task: Tasks, monkeypatch
) -> None:
    made: list[bool] = []

    class Program:
        def __init__(self, recipe: Recipe, cut, compiled: bool) -> None:
            made.append(compiled)
            self.step_of = real(recipe, cut, compiled=False).step_of

    from fastclipgen.engine import stepper

    real = stepper.Program
    monkeypatch.setattr(stepper, "Program", Program)
    recipe = make_recipe(mixture)
    engine = Engine(recipe, torch.full((8,), 0.05), 9, 3, Way(compiled=True), finalists=2)
    engine.run(make_task(recipe, ["sun", "moon"]))
    engine.run(make_task(recipe, ["sun", "moon"]))
    assert made == [True]
    engine.run(make_task(recipe, ["sun"]))  # a last, smaller batch
    assert made == [True, False, False]
