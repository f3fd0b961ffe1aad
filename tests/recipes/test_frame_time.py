"""When things start and end."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.recipes.frame_time import active, read_time
from fastclipgen.recipes.variables import FEATURE, LEARNRATE, RESOLUTION, Schedule

ELEVEN = Schedule(11)  # t = 0, .1, ... 1


def epochs(start: Any, end: Any, schedule: Schedule = ELEVEN) -> list[int]:
    return active(read_time(start, "s"), read_time(end, "e"), schedule)[:, 0].nonzero()[:, 0].tolist()


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 1.0, range(11)),
        (0, 1, [0, 1]),
        (1, 1.0, range(1, 11)),
        (1.0, 1.0, [10]),
        ("30%", "60%", [3, 4, 5, 6]),
        (0.3, 0.6, [3, 4, 5, 6]),
        (".3", "0.6", [3, 4, 5, 6]),
        ("3", "6", [3, 4, 5, 6]),
        (3, "60%", [3, 4, 5, 6]),
        ("300", 1.0, []),
        (8, 300, [8, 9, 10]),
        (6, 3, []),
        (0.31, 0.39, []),
        (-5, "100%", range(11)),
        ("2*3", "1.", range(6, 11)),
        ("1/4", "1/2", [3, 4, 5]),
        ("0", "12.5%", [0, 1]),
        (0.0, "epoch if epoch % 2 else epoch - 1", [1, 3, 5, 7, 9]),
        (0.0, "t if t < .25 or t > .85 else 0.", [0, 1, 2, 9, 10]),
    ],
)
def test_both_ends_are_included(start: Any, end: Any, expected: Any) -> None:
    assert epochs(start, end) == list(expected)


@pytest.mark.parametrize(
    ("raw", "is_epoch"),
    [(1, True), (1.0, False), ("1", True), ("1.0", False), ("1%", False), ("int(5.5)", True), ("10 / 2", False),
     ("randint(1, 5)", True), ("random()", False)],
)  # fmt: skip
def test_whole_numbers_are_epochs_and_others_fractions(raw: Any, is_epoch: bool) -> None:
    assert read_time(raw, "x").is_epoch is is_epoch


def test_a_run_of_one_epoch() -> None:
    assert epochs(0.0, 1.0, Schedule(1)) == [0]
    assert epochs("30%", 1.0, Schedule(1)) == []


def test_random_moments_differ_from_picture_to_picture() -> None:
    schedule = Schedule(50, torch.tensor([1, 2]))
    start = read_time("epoch if random() < .5 else epoch + 1", "x", "targets[0].start")
    found = active(start, read_time(1.0, "x"), schedule)
    assert found.shape == (50, 2)
    assert found.dtype == torch.bool
    assert 10 < found[:, 0].sum() < 40
    assert not torch.equal(found[:, 0], found[:, 1])


def test_other_variables_where_they_are_allowed() -> None:
    width = torch.arange(11)[:, None]
    schedule = ELEVEN.with_resolution(width, width)
    start = read_time("0. if width > 4 else 2.", "x", groups=RESOLUTION)
    assert active(start, read_time(1.0, "x"), schedule)[:, 0].nonzero()[0].item() == 5
    with pytest.raises(UserError, match="'width' belongs to resolution"):
        read_time("width", "x")
    with pytest.raises(UserError, match="'sim' belongs to"):
        read_time("sim", "x", groups=LEARNRATE)


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (True, "^f.yaml: start: expected an epoch such as 100, or a fraction of the training .*, got 'True'"),
        (None, "got 'None'"), ([1], "expected an epoch"), ("%", "got '%'"), ("a%", "got 'a%'"),
        ("inf%", "got 'inf%'"), (float("nan"), "got 'nan'"), ("nan", "expected a finite number"), ("", "got nothing"),
        ("tme", "did you mean 'time'"), ("t < .5", "expected an epoch .* got a bool"), ("[1, 2]", "got a list of 2"),
    ],
)  # fmt: skip
def test_errors(raw: Any, match: str) -> None:
    with pytest.raises(UserError, match=match):
        read_time(raw, "f.yaml: start")


def test_a_moment_that_is_not_finite_names_its_epoch() -> None:
    with pytest.raises(UserError, match="at epoch 0 of"):
        active(read_time("1/t", "x"), read_time(1.0, "x"), ELEVEN)


def test_similarities_are_refused_even_where_groups_know_them() -> None:
    with pytest.raises(UserError, match="before the run"):
        read_time("sim", "x", groups=FEATURE)
