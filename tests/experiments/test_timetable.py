"""What happens at which epoch: literal rates, phases, frames, and the rows that the step reads."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.engine.recipe import Task
from fastclipgen.errors import UserError
from fastclipgen.experiments.tables import Column, now

from .tiny import FOX, timetable


@pytest.mark.parametrize(
    ("name", "base"), [("adam", 0.01), ("sgd", 10.0), ("sparse_adam", 0.01), ("adadelta", 20.0), ("rmsprob", 0.003)]
)
def test_the_rate_is_base_times_learnrate_times_scale(name: str, base: float) -> None:
    table = timetable(FOX + f"optimizer: {name}\nlearnrate: 2\nlearnrate_scale: 1 - .5*t\n")
    wanted = [base * 2 * (1 - 0.5 * t) for t in (0, 1 / 3, 2 / 3, 1)]
    torch.testing.assert_close(table.rates, torch.tensor(wanted))


def test_random_rates_are_of_each_picture() -> None:
    rates = timetable(FOX + "batch: 2\nlearnrate: uniform(.5, 1.5)\n").rates
    assert rates.shape == (4, 2)
    assert not bool((rates[:, 0] == rates[:, 1]).any())
    torch.testing.assert_close(rates[:, :1], timetable(FOX + "batch: 1\nlearnrate: uniform(.5, 1.5)\n").rates[:, None])


def test_phases_are_cut_where_sizes_and_targets_change() -> None:
    text = """
targets:
  - features: [text: a fox]
    constraints: [blur: {weight: .1 * t}]
    transforms: [{blur: {kernel_size: 3, sigma: .5 + t}}]
  - {start: 3, features: [text: a hill]}
"""
    table = timetable(text, "resolution='[16, 8] if epoch < 2 else [32, 32]'")
    assert [(phase.first, phase.end) for phase in table.phases()] == [(0, 2), (2, 3), (3, 4)]
    assert table.size(0) == (8, 16)
    assert table.size(2) == (32, 32)
    assert table.largest == (32, 32)
    assert [(phase.first, phase.end) for phase in table.phases(1)] == [(1, 2), (2, 3), (3, 4)]


def test_what_keeps_shapes_cuts_nothing() -> None:
    text = """
targets:
  - features: [{text: a fox, end: 1, weight: t}]
    transforms: [{add: .1 * t, start: 2}, {mul: 1 + t}]
    constraints: [{std: {above: t, start: 1, end: 2}}]
postproc: [{add: .1, end: 1}]
"""
    assert [(phase.first, phase.end) for phase in timetable(text).phases()] == [(0, 4)]


@pytest.mark.parametrize(
    ("transforms", "compat", "frames"),
    [
        ("[noise: .1]", False, 5),
        ("[blur: 3]", False, 1),
        ("[random_shift: 0 1]", False, 5),
        ("[random_shift: 0 1]", True, 1),
        ("[random_crop: 8, noise: .1]", True, 5),
    ],
)
def test_only_what_is_random_sees_batch_size_frames(transforms: str, compat: bool, frames: int) -> None:
    transforms = transforms.replace("blur: 3", "blur: {kernel_size: 3}")
    text = f"targets: [{{batch_size: 5, features: [text: a fox], transforms: {transforms}}}]\n"
    assert timetable(text, f"compat={str(compat).lower()}").targets[0].frames(0, compat) == frames


def test_frames_are_one_while_the_random_transform_is_closed() -> None:
    table = timetable("targets: [{batch_size: 5, features: [text: a fox], transforms: [{noise: .1, start: 2}]}]\n")
    assert [table.targets[0].frames(epoch, False) for epoch in range(4)] == [1, 1, 5, 5]
    assert [(phase.first, phase.end) for phase in table.phases()] == [(0, 2), (2, 4)]


def test_a_switch_says_always_never_or_where_it_stands() -> None:
    table = timetable("targets: [{start: 1, end: 2, features: [text: a fox]}]\n")
    switch = table.targets[0].switch
    assert switch.among([1, 2]) is True
    assert switch.among([0, 3]) is False
    column = switch.among(range(4))
    assert isinstance(column, Column)
    task = Task(table.seeds, (), tables=table.sheet.tables())
    assert [bool(column.flag(now(task, epoch))) for epoch in range(4)] == [False, True, True, False]


def test_rows_are_read_by_the_number_of_the_epoch_and_belong_to_pictures() -> None:
    table = timetable(
        "batch: 3\ntargets: [{weight: 2 * epoch + 1, features: [{text: a fox, weight: 'uniform(0, 1)'}]}]\n"
    )
    task = Task(table.seeds, (), tables=table.sheet.tables())
    weight, own = table.targets[0].weight, table.targets[0].features[0].weight
    assert isinstance(weight, Column)
    assert isinstance(own, Column)
    assert weight.read(now(task, 3)).tolist() == [7, 7, 7]
    assert weight.read(now(task, torch.tensor(2))).tolist() == [5, 5, 5]
    drawn = own.read(now(task, 1))
    assert len(set(drawn.tolist())) == 3
    assert own.read(now(task.rows(slice(1, 3)), 1)).tolist() == drawn[1:].tolist()


def test_sizes_of_pictures_may_differ_and_are_told() -> None:
    assert timetable(FOX + "batch: 2\n").alike
    assert not timetable(FOX + "batch: 2\n", "resolution=8 + 8 * randint(0, 99)").alike


def test_a_size_out_of_range_names_its_epoch() -> None:
    with pytest.raises(UserError, match=r"sides of 1 to 16384 pixels, got 0 x 0 at epoch 2"):
        timetable(FOX, "resolution=16 if epoch < 2 else 0")


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("mean: {weight: 2}", "expected above, below or both, got neither; add one"),
        ("palette: {colors: [red, mauvish]}", "'colors'"),
    ],
    ids=["threshold", "palette"],
)
def test_constraints_that_cannot_be(constraint: str, said: str) -> None:
    with pytest.raises(UserError, match=rf"test.yaml, line \d+.*{said}"):
        timetable(f"targets: [{{constraints: [{constraint}]}}]\n")
