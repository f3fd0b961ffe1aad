"""What YAML may give for a parameter, and what becomes of it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclipgen.errors import UserError
from fastclipgen.recipes.conversion import Parameter
from fastclipgen.recipes.expressions import Expression
from fastclipgen.recipes.values import Value, read, split
from fastclipgen.recipes.variables import FEATURE, LEARNRATE, TIME, Schedule

INT, FLOAT, BOOL, TEXT = Parameter((int,)), Parameter((float,)), Parameter((bool,)), Parameter((str,))
PAIR, COLOUR = Parameter((int,), (2,), TIME), Parameter((float,), (3,), TIME)
SHIFT = Parameter((float,), (2, 4), TIME)
MODE = Parameter((str,), groups=TIME, choices=("nearest", "linear", "cubic"))
FIVE = Schedule(5)


@pytest.mark.parametrize(
    ("parameter", "raw", "expected"),
    [
        (INT, 5, 5), (INT, "5", 5), (INT, 2.5, 2), (INT, "224*3", 672), (INT, "5/2", 2), (INT, "2.5", 2),
        (INT, True, 1), (FLOAT, 5, 5.0), (FLOAT, ".5", 0.5), (FLOAT, "1./5.", 0.2), (FLOAT, "1/5", 0.2),
        (FLOAT, "1e-3", 0.001), (FLOAT, "sqrt(16)", 4.0), (FLOAT, " 3 ", 3.0), (FLOAT, -1, -1.0),
        (FLOAT, "max(1, 2)", 2.0), (BOOL, True, True), (BOOL, "false", False), (BOOL, "False", False),
        (BOOL, "no", False), (BOOL, "off", False), (BOOL, "0", False), (BOOL, 0, False), (BOOL, 2, True),
        (BOOL, "yes", True), (BOOL, "on", True), (BOOL, "2 > 1", True), (BOOL, "1 > 2", False),
        (TEXT, "a red circle", "a red circle"), (TEXT, 2021, "2021"), (TEXT, "1 + 1", "1 + 1"), (TEXT, "", ""),
        (MODE, "cubic", "cubic"), (MODE, "Nearest", "nearest"), (Parameter((int, float)), "20", 20),
        (Parameter((int, float)), "20.", 20.0), (Parameter((int, float)), 2.5, 2.5),
        (Parameter((int, float)), "1/4", 0.25), (Parameter((float,), nullable=True), None, None),
    ],
)  # fmt: skip
def test_single_constants(parameter: Parameter, raw: Any, expected: Any) -> None:
    found = read(parameter, raw, "x").plain
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("parameter", "raw", "expected"),
    [
        (PAIR, 224, (224, 224)), (PAIR, "23", (23, 23)), (PAIR, "512 256", (512, 256)),
        (PAIR, "512, 256", (512, 256)), (PAIR, "224*2 224//2", (448, 112)), (PAIR, [1, "2*3"], (1, 6)),
        (PAIR, "-10 10", (-10, 10)), (PAIR, "10 -10", (10, -10)), (PAIR, "max(1, 2) 3", (2, 3)),
        (PAIR, "max(1, 2)", (2, 2)), (PAIR, "1 + 2", (3, 3)), (PAIR, "[1, 2]", (1, 2)), (PAIR, "1+ 2, 4", (3, 4)),
        (PAIR, [7], (7, 7)), (COLOUR, ".1 .2 .3", (0.1, 0.2, 0.3)), (COLOUR, "1/4", (0.25,) * 3),
        (COLOUR, "(1, 2, 3)", (1.0, 2.0, 3.0)), (SHIFT, 1, (1.0, 1.0)), (SHIFT, "0 1", (0.0, 1.0)),
        (SHIFT, [1, 2, 3, 4], (1.0, 2.0, 3.0, 4.0)), (COLOUR, "0 1 if 1 else 2 3", None),
        (PAIR, "{1: 2}.get(1, 3) 4", (2, 4)),
    ],
)  # fmt: skip
def test_lists(parameter: Parameter, raw: Any, expected: tuple[float, ...] | None) -> None:
    if expected is None:
        with pytest.raises(UserError):
            read(parameter, raw, "x")
    else:
        assert read(parameter, raw, "x").plain == expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3 .35", ["3", ".35"]), ("3, .2 + .15 * lrs", ["3", ".2 + .15 * lrs"]), ("a(1, 2) b", ["a(1, 2)", "b"]),
        ("(1. - .95 * pow(t, 5.))", ["(1. - .95 * pow(t, 5.))"]),
        ("{'a, b': 1}['a, b'], 2", ["{'a, b': 1}['a, b']", "2"]), ("", []), ("1,", ["1", ""]),
        ("1  2\t3\n4", ["1", "2", "3", "4"]), ("a) b", ["a)", "b"]), ("'a b' c", ["'a b'", "c"]),
    ],
)  # fmt: skip
def test_splitting(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize(
    ("parameter", "raw", "match"),
    [
        (PAIR, "1 2 3", "^f: expected a list of length 1 or 2, got 3$"),
        (SHIFT, [1, 2, 3], "expected a list of length 1 or 2 or 4, got 3"),
        (PAIR, [], "got 0"),
        (PAIR, "", "got 0"),
        (PAIR, [1, [2, 3]], r"^f\[1\]: expected a whole number or an expression, got the list"),
        (PAIR, [1, None], r"^f\[1\]: .* got nothing"),
        (PAIR, "3 tme", r"^f\[1\]: .* unknown name 'tme'; did you mean 'time'\?"),
        (PAIR, "8 if tme < .4 else 16", "at character 6: unknown name 'tme'"),
        (PAIR, ["[1, 2]", 3], r"^f\[0\]: expected a whole number or an expression, got a list of 2"),
        (INT, [5], r"expected a whole number or an expression, got the list '\[5\]'"),
        (INT, {}, "got a mapping"),
        (INT, None, "got nothing"),
        (INT, "[1, 2]", "got a list of 2"),
        (INT, float("inf"), "expected a whole number or an expression, got 'inf'"),
        (FLOAT, float("nan"), "got 'nan'"),
        (FLOAT, "inf", "expected a finite number"),
        (FLOAT, "1/0", "expected a finite number"),
        (FLOAT, "t", "'t' belongs to time, but no variables"),
        (FLOAT, "'a'", "expected a number or an expression, got a text"),
        (FLOAT, datetime.date(2020, 1, 1), "expected a number or an expression, got '2020-01-01'"),
        (TEXT, True, "expected a text, got true; put a text that YAML reads as one into quotes"),
        (TEXT, None, "expected a text, got nothing"),
        (MODE, "cubc", r"^f: expected one of nearest, linear, cubic, got 'cubc'; did you mean 'cubic'\?"),
        (MODE, "cubic if t else 'liner'", r"got 'liner'; did you mean 'linear'\?"),
        (MODE, "t + 1", "expected one of nearest, linear, cubic, got a float"),
        (MODE, 3, "expected one of nearest"),
    ],
)
def test_errors_say_what_was_expected(parameter: Parameter, raw: Any, match: str) -> None:
    with pytest.raises(UserError, match=match):
        read(parameter, raw, "f")


def test_expressions_become_schedules_of_the_first_type() -> None:
    value = read(PAIR, ["8 if t < .4 else 16", "10.9 * t"], "x")
    assert not value.constant
    assert not value.live
    assert value.over(FIVE).tolist() == [[[8, 0]], [[8, 2]], [[16, 5]], [[16, 8]], [[16, 10]]]


def test_a_single_expression_is_repeated_and_single_values_have_no_last_axis() -> None:
    assert read(COLOUR, "0 if t < .4 else 1.", "x").over(FIVE)[:, 0].tolist() == [[0.0] * 3] * 2 + [[1.0] * 3] * 3
    assert read(Parameter((float,), groups=TIME), "t", "x").over(FIVE).tolist() == [[0], [0.25], [0.5], [0.75], [1]]
    assert read(PAIR, "3 4", "x").over(FIVE).tolist() == [[[3, 4]]] * 5
    assert read(Parameter((bool,), groups=TIME), "3 * t", "x").over(FIVE)[:, 0].tolist() == [0, 1, 1, 1, 1]


def test_random_items_of_a_list_are_drawn_apart_and_for_each_picture() -> None:
    schedule = Schedule(9, torch.tensor([1, 2]))
    values = read(SHIFT, ["random()", "random()"], "file.yaml, line 3: shift", "shift").over(schedule)
    assert values.shape == (9, 2, 2)
    assert not torch.equal(values[..., 0], values[..., 1])
    assert not torch.equal(values[:, 0], values[:, 1])
    elsewhere = read(SHIFT, ["random()", "random()"], "other.yaml, line 5: shift", "shift").over(schedule)
    assert torch.equal(values, elsewhere)


def test_words_may_change_over_time() -> None:
    assert read(MODE, "nearest if t < .5 else 'cubic'", "x").texts(FIVE) == ["nearest"] * 2 + ["cubic"] * 3
    assert read(MODE, "linear", "x").texts(FIVE) == ["linear"] * 5


def test_values_of_a_similarity_are_computed_in_the_step() -> None:
    parameter = Parameter((int,), (3,), FEATURE)
    value = read(parameter, ["sim / 2", "epoch * 1.5", 7], "x")
    assert value.live
    step = value.on_device(FIVE, "cpu")
    assert step(torch.tensor([3]), torch.tensor([5.0, -9.0])).tolist() == [[2, 4, 7], [-4, 4, 7]]
    single = read(Parameter((float,), groups=FEATURE), "sim / 2", "x").on_device(FIVE, "cpu")
    assert single(torch.tensor([0]), torch.tensor([[5.0], [1.0]])).tolist() == [[2.5], [0.5]]


def test_resolution_and_learnrate_feed_later_values() -> None:
    size = read(PAIR, "max(8, min(224, int(t*448/8)*8)), 64", "x").over(FIVE)
    schedule = FIVE.with_resolution(size[..., 0], size[..., 1])
    rate = read(Parameter((float,), groups=TIME), "2 - t", "x").over(schedule)
    schedule = schedule.with_learnrate(rate, rate)
    crop = read(Parameter((float,), (2,), LEARNRATE), "width/2, lr", "x").over(schedule)
    assert crop[:, 0].tolist() == [[4, 2], [56, 1.75], [112, 1.5], [112, 1.25], [112, 1]]
    assert read(Parameter((int,), (2,), LEARNRATE), "res", "x").over(schedule)[-1, 0].tolist() == [224, 64]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["t", "1 2"])
RAW = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(RAW, st.sampled_from([INT, FLOAT, BOOL, TEXT, PAIR, COLOUR, SHIFT, MODE]))
def test_anything_gives_a_value_or_a_user_error(raw: Any, parameter: Parameter) -> None:
    try:
        value = read(parameter, raw, "x")
    except UserError:
        return
    assert isinstance(value, Value)
    assert len(value.items) in (parameter.lengths or (1,))
    assert all(isinstance(item, Expression) or type(item) in parameter.types for item in value.items)


ANGLE = Parameter((float,), (2,), LEARNRATE)
# Every value with an expression, and every odd spelling, of CLIPig's documents, examples and scripts.
CLIPIG = [
    (PAIR, "512 512", (512, 512)), (PAIR, 512, (512, 512)), (PAIR, "224", (224, 224)), (PAIR, "336 224", (336, 224)),
    (Parameter((float,), groups=TIME), "1. - .95 * t5", [1, 0.9990723, 0.9703125, 0.7745605, 0.05]),
    (Parameter((float,), groups=TIME), "(1. - .95 * pow(t, 5.))", [1, 0.9990723, 0.9703125, 0.7745605, 0.05]),
    (Parameter((float,), groups=TIME), "0.1*ti", [0.1, 0.075, 0.05, 0.025, 0]),
    (PAIR, "31*ti", [31, 23, 15, 7, 0]), (COLOUR, "0.1*ti", [0.1, 0.075, 0.05, 0.025, 0]),
    (Parameter((float,), groups=TIME), "1/5*ti", [0.2, 0.15, 0.1, 0.05, 0]),
    (COLOUR, "1./5.", (0.2, 0.2, 0.2)), (COLOUR, ".1 .2 .3", (0.1, 0.2, 0.3)), (COLOUR, ".33", (0.33, 0.33, 0.33)),
    (ANGLE, "-10 10", (-10, 10)), (ANGLE, "0 1", (0, 1)), (ANGLE, "0.5 1.", (0.5, 1)), (ANGLE, ".3 .7", (0.3, 0.7)),
    (ANGLE, "-90 90", (-90, 90)), (ANGLE, "3 .35", (3, 0.35)), (SHIFT, "-1 1", (-1, 1)),
    (SHIFT, ["0 if t < .4 else 1.", "0 if t < .4 else 1."], [0, 0, 1, 1, 1]),
    (ANGLE, [".5 if t < .4 else 1.", ".5 if t < .4 else 1."], [0.5, 0.5, 1, 1, 1]),
    (ANGLE, "width/2", [32, 32, 32, 32, 32]), (ANGLE, "3, .2 + .15 * lrs", [3, 3, 3, 3, 3]),
    (PAIR, "8 if t < .4 else 16", [8, 8, 16, 16, 16]),
    (PAIR, "max(8,min(224, int(t*448/8)*8))", [8, 112, 224, 224, 224]),
    (PAIR, "{0: 8, 1: 8, 4: 16}.get(int(t*16), 224)", [8, 16, 224, 224, 224]),
    (Parameter((float,), groups=LEARNRATE), "sin(3.14159265)", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("parameter", "raw", "expected"), CLIPIG)
def test_what_clipig_files_hold(parameter: Parameter, raw: Any, expected: Any) -> None:
    schedule = FIVE.with_resolution(torch.full((5, 1), 64), torch.full((5, 1), 64))
    schedule = schedule.with_learnrate(torch.ones(5, 1), torch.ones(5, 1))
    value = read(parameter, raw, "x")
    if value.constant:
        assert value.plain == pytest.approx(expected, abs=1e-7)
    else:
        table = value.over(schedule)[:, 0]
        first = table if value.single else table[:, 0]
        assert first.tolist() == pytest.approx(expected, abs=1e-7)


def test_a_legacy_pair_with_the_learning_rate_scale() -> None:
    schedule = FIVE.with_learnrate(torch.ones(5, 1), torch.tensor([[1.0], [0.5], [0.2], [0.0], [0.1]]))
    table = read(ANGLE, "3, .2 + .15 * lrs", "x").over(schedule)
    assert table[:, 0, 1].tolist() == pytest.approx([0.35, 0.275, 0.23, 0.2, 0.215])


@pytest.mark.parametrize(("raw", "word"), [(True, "on"), (False, "off"), ("On", "on"), ("off", "off")])
def test_words_that_yaml_reads_as_truth_values(raw: Any, word: str) -> None:
    assert read(Parameter((str,), choices=("auto", "off", "on")), raw, "x").plain == word


def test_truth_values_are_no_words_where_no_choice_means_one() -> None:
    with pytest.raises(UserError, match="one of nearest, linear, cubic, got true"):
        read(MODE, True, "x")
