"""Experiments in the queue: drawn, changed while they are, told of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastclipgen.errors import UserError
from fastclipgen.serving.desk import Desk
from fastclipgen.serving.events import Feed
from fastclipgen.serving.experiment_reading import ExperimentReader
from fastclipgen.serving.experiment_work import ExperimentWork
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.places import Places

from .recipes import TINY, tiny


class Watched:
    """A work, and the steps that its callbacks saw."""

    def __init__(self, text: str) -> None:
        self.desk, self.lines, self.steps = Desk(Feed()), [], []
        reader = ExperimentReader(Places(None), Limits(), "cpu")
        self.work = ExperimentWork(self.settings(text), reader, self.lines.append, self.desk)

    @staticmethod
    def settings(text: str) -> dict[str, Any]:
        return {"experiment": text, "seed": 7}

    def batches(self, stop_at: int = 0, done: tuple[int, ...] = ()) -> Any:
        def after_step(info: Any) -> bool:
            self.steps.append(info.step)
            return len(self.steps) == stop_at

        return self.work.run(done, [after_step], lambda: False)


def test_a_run_that_is_updated_goes_on_from_where_it_is() -> None:
    one, plain = Watched(TINY), Watched(TINY)
    batches = one.batches(stop_at=2)
    half = next(batches)
    assert one.work.update(one.settings(tiny(epochs=5).replace("weight: 1", "weight: 0"))) == 3
    [rest] = list(batches)
    assert one.steps == [1, 2, 3, 4, 5]
    assert (half[0].steps, rest[0].steps) == (2, 5)
    assert "weight: 0" in rest[0].metadata["experiment"]
    [whole] = list(plain.batches())
    assert not np.array_equal(rest[0].pixels, whole[0].pixels)


def test_an_update_that_changes_nothing_changes_nothing() -> None:
    one, plain = Watched(TINY), Watched(TINY)
    batches = one.batches(stop_at=2)
    next(batches)
    one.work.update(one.settings(TINY))
    assert np.array_equal(next(batches)[0].pixels, next(plain.batches())[0].pixels)


def test_a_new_size_keeps_the_picture() -> None:
    one = Watched(TINY)
    batches = one.batches(stop_at=3)
    before = next(batches)[0].pixels
    one.work.update(one.settings(tiny(resolution=32)))
    [[result]] = list(batches)
    assert result.pixels.shape == (32, 32, 3)
    shrunk = result.pixels.reshape(16, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(shrunk - before).mean() < 12  # noise of another seed is 40 away


def test_after_an_update_that_cannot_be_the_run_goes_on_as_it_was() -> None:
    one, plain = Watched(TINY), Watched(TINY)
    batches = one.batches(stop_at=2)
    next(batches)
    with pytest.raises(UserError, match="batch: expected 1"):
        one.work.update(one.settings(tiny(batch=2)))
    [rest] = list(batches)
    assert one.steps == [1, 2, 3, 4]
    assert np.array_equal(rest[0].pixels, next(plain.batches())[0].pixels)


def test_pictures_that_are_there_are_not_drawn_again() -> None:
    text = tiny(batch=2, deterministic="true")  # one picture a batch
    one = Watched(text)
    assert (one.work.first(()), one.work.first((0,))) == (0, 1)
    assert (one.work.ticks(()), one.work.ticks((0,))) == (8, 4)
    [[result]] = list(one.batches(done=(0,)))
    assert (result.index, result.seed) == (1, 8)


def test_figures_and_notices() -> None:
    one = Watched(tiny(verbose=0))
    assert one.lines[0] == "verbose: for the command line, without effect here"
    list(one.batches())
    first, last = one.desk.points[0], one.desk.points[-1]
    assert (first["step"], last["step"], last["rate"]) == (1, 4, pytest.approx(0.01))
    assert [(row["kind"], row["name"]) for row in last["rows"]] == [("target", "target"), ("feature", "a red circle")]
    assert -100 <= last["rows"][1]["value"] <= 100
