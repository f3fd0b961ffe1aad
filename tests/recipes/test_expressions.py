"""Literal values of every variable, operator and kind of error of expressions."""

from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.philox import Stream, philox4x32, to_uniform, uniforms
from fastclipgen.recipes.expressions import Expression, parse, parse_list
from fastclipgen.recipes.variables import ALIASES, CONSTRAINT, FEATURE, GROUPS, LEARNRATE, RESOLUTION, TIME, Schedule

from ..timing import takes_less_than

FIVE = Schedule(5)  # t = 0, .25, .5, .75, 1


def over(text: str, groups: frozenset[str] = TIME, schedule: Schedule = FIVE) -> list[float]:
    return parse(text, "x", groups).over(schedule)[:, 0].tolist()


def value(text: str) -> bool | int | float | str:
    expression = parse(text, "x")
    assert expression.constant
    return expression.value


VARIABLES = {
    "epoch": [0, 1, 2, 3, 4],
    "t": [0, 0.25, 0.5, 0.75, 1],
    "t2": [0, 0.0625, 0.25, 0.5625, 1],
    "t3": [0, 0.25**3, 0.125, 0.75**3, 1],
    "t4": [0, 0.25**4, 0.0625, 0.75**4, 1],
    "t5": [0, 0.25**5, 0.03125, 0.75**5, 1],
    "ti": [1, 0.75, 0.5, 0.25, 0],
    "ti2": [1, 0.5625, 0.25, 0.0625, 0],
    "ti3": [1, 0.75**3, 0.125, 0.25**3, 0],
    "ti4": [1, 0.75**4, 0.0625, 0.25**4, 0],
    "ti5": [1, 0.75**5, 0.03125, 0.25**5, 0],
    "epoch_f": [0, 0.25, 0.5, 0.75, 1],
    "ts(.25, .75)": [0, 0, 0.5, 1, 1],
    "ts(.5, .5)": [0, 0, 1, 1, 1],
    "ts(.75, .25)": [1, 1, 0.5, 0, 0],
    "res[0]": [64, 64, 32, 32, 32],
    "res[1]": [8, 9, 10, 11, 12],
    "width": [64, 64, 32, 32, 32],
    "height": [8, 9, 10, 11, 12],
    "lr": [1, 2, 3, 4, 5],
    "lrs": [5, 4, 3, 2, 1],
}


def full() -> Schedule:
    column = torch.arange(5.0)[:, None]
    width = torch.tensor([64, 64, 32, 32, 32])[:, None]
    return FIVE.with_resolution(width, column + 8).with_learnrate(column + 1, 5 - column)


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_has_its_value(name: str) -> None:
    assert over(name, LEARNRATE, full()) == pytest.approx(VARIABLES[name], abs=1e-15)


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_long_names_mean_what_their_aliases_mean(alias: str) -> None:
    tail = "(.25, .75)" if alias == "ts" else "[0]" if alias == "res" else ""
    if alias == "sim":
        assert parse("similarity", "x", FEATURE).variables == parse("sim", "x", FEATURE).variables == {"similarity"}
    else:
        assert over(alias + tail, LEARNRATE, full()) == over(ALIASES[alias] + tail, LEARNRATE, full())


def test_every_variable_is_tested() -> None:
    tested = {ALIASES.get(name.split("(")[0].split("[")[0], name) for name in VARIABLES}
    assert tested == set(GROUPS) - {"similarity"}


def test_a_run_of_one_epoch_is_at_its_start() -> None:
    assert over("t + epoch", schedule=Schedule(1)) == [0]


OPERATORS = {
    "1 + 2 * 3": 7, "7 - 10": -3, "1/4": 0.25, "-7 // 2": -4, "7 // -2": -4, "-7 % 3": 2, "7 % -3": -2, "7.5 % 2": 1.5,
    "2 ** 10": 1024, "2 ** -1": 0.5, "-2 ** 2": -4, "+3": 3, "--3": 3, "1 < 2": True, "2 <= 1": False, "1 == 1.0": True,
    "1 != 1": False, "2 > 1 > 0": True, "2 > 1 > 1": False, "1 >= 2": False, "1 and 2": 2, "0 and 2": 0, "0 or 3": 3,
    "2 or 3": 2, "not 0": True, "not 3": False, "1 if 2 > 1 else 5": 1, "1 if 0 else 5": 5, "True + True": 2,
    "[1, 2, 3][1]": 2, "(1, 2, 3)[-1]": 3, "{1: 5, 2: 6}[2]": 6, "{1: 5, 2: 6}.get(3, 9)": 9, "{'a': 4}['a']": 4,
    "{1: 5, 1: 6}[1]": 6, "[[1, 2], [3, 4]][1][0]": 3, "0x10 + 1_000": 1016, "224*2//3": 149, "'a' == 'a'": True,
    "'a' != 'b'": True, "'a' == 1": False, "'ab'": "ab", "1e3": 1000.0, "{0: 'x'}.get(1, 'y')": "y",
}  # fmt: skip


@pytest.mark.parametrize("text", OPERATORS)
def test_operators_compute_as_python_does(text: str) -> None:
    assert value(text) == OPERATORS[text]
    assert type(value(text)) is type(OPERATORS[text])


def test_picking_by_time_from_lists_and_dicts() -> None:
    assert over("[8, 16, 32][int(t*2.5)]") == [8, 8, 16, 16, 32]
    assert over("[8, 16, 32][-1 - int(t*2.5)]") == [32, 32, 16, 16, 8]
    assert over("{0: 8, 1: t}.get(int(t*4), 224)") == [8, 0.25, 224, 224, 224]
    assert over("{0: 1, 4: 2, 2: 3, 1: 4, 3: 5}[epoch]") == [1, 4, 3, 5, 2]
    assert over("[[1, 2], [3, 4]][epoch % 2][1]") == [2, 4, 2, 4, 2]


def test_what_a_condition_does_not_choose_may_divide_by_zero() -> None:
    assert over("0 if t == 0 else 1/t") == pytest.approx([0, 4, 2, 4 / 3, 1])
    assert over("sqrt(t - .5) if t >= .5 else -1") == pytest.approx([-1, -1, 0, 0.5, math.sqrt(0.5)])


@pytest.mark.parametrize(
    ("text", "epoch"), [("1/t", 0), ("log(t)", 0), ("1/(t - .5)", 2), ("sqrt(.6 - t)", 3), ("[1, 2][epoch]", 2)]
)
def test_a_value_that_is_not_finite_names_its_epoch(text: str, epoch: int) -> None:
    with pytest.raises(UserError, match=rf"^file, line 3: in the expression .* at epoch {epoch} of 0\.\.4"):
        parse(text, "file, line 3", TIME).over(FIVE)


@pytest.mark.parametrize("text", ["1/0", "9**9**9", "sqrt(-1)", "{1: 2}[3]", "nan", "inf - inf"])
def test_constants_must_be_finite(text: str) -> None:
    with pytest.raises(UserError, match="expected a finite number"):
        value(text)


def test_lists_are_several_expressions() -> None:
    read = parse_list("[t, 1] if t < .5 else [3, 4]", "x", TIME)
    assert isinstance(read, tuple)
    assert [item.over(FIVE)[:, 0].tolist() for item in read] == [[0, 0.25, 3, 3, 3], [1, 1, 4, 4, 4]]
    assert isinstance(parse_list("3", "x"), Expression)


def test_texts_are_places_in_a_list_of_texts() -> None:
    read = parse("nearest if t < .5 else 'cubic'", "x", TIME, words=("nearest", "cubic"))
    assert read.kind == "text"
    assert [read.texts[int(place)] for place in read.over(FIVE)[:, 0]] == ["nearest"] * 2 + ["cubic"] * 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [("3", "int"), ("3.", "float"), ("t", "float"), ("int(t)", "int"), ("epoch * 2", "int"), ("epoch / 2", "float"),
     ("2 ** epoch", "float"), ("epoch ** 2", "int"), ("t < 1", "bool"), ("'a'", "text"), ("1 if t else 2.", "float"),
     ("[1, 2][int(t)]", "int"), ("randint(1, 2)", "int"), ("random()", "float"), ("2**60", "float")],
)  # fmt: skip
def test_the_kind_of_the_result_is_known_without_computing_it(text: str, kind: str) -> None:
    assert parse(text, "x", TIME).kind == kind


def test_variables_used_are_known() -> None:
    expression = parse("lr * t2 if width > 0 else sim", "x", FEATURE)
    assert expression.variables == {"learnrate", "time2", "width", "similarity"}
    assert expression.live
    assert parse("2 if 1 else sim", "x", FEATURE).constant


@pytest.mark.parametrize(
    ("name", "groups", "match"),
    [
        ("width", TIME, "'width' belongs to resolution, but only variables of time can be used here"),
        ("lr", RESOLUTION, "'lr' belongs to learnrate, but only variables of resolution, time"),
        ("sim", LEARNRATE, "'sim' belongs to target_constraint or target_feature"),
        ("ts(0, 1)", frozenset(), "'ts' belongs to time, but no variables can be used here"),
    ],
)
def test_variables_of_other_groups_are_an_error(name: str, groups: frozenset[str], match: str) -> None:
    with pytest.raises(UserError, match=match):
        parse(name, "x", groups)


def test_similarity_is_known_to_features_and_constraints() -> None:
    assert parse("sim", "x", FEATURE).live
    assert parse("sim", "x", CONSTRAINT).live


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1 + tme", r"at character 5: unknown name 'tme'; did you mean 'time'\?"),
        ("'ä' == sni(t)", r"at character 8: unknown function 'sni'; did you mean 'sin'\?"),
        ("sin", "at character 1: 'sin' is a function; call it"),
        ("t(3)", "'t' is no function"),
        ("sin(1, 2)", r"do not fit sin\(x\): too many positional arguments"),
        ("max(8, 't')", "expected a number, got the text 't'"),
        ("[1, 2] + 1", "at character 1: expected a single number, got a list of 2"),
        ("3[0]", "expected a list or a dict before"),
        ("[1, 2][t]", r"write int\(...\) around it"),
        ("[1, 2][5]", r"expected an index of -2..1 into a list of 2, got 5"),
        ("[1, 2][0:1]", "got a slice"),
        ("{t: 1}[0]", "keys of a dict"),
        ("[1, 2] if t else 3", "two values of one shape"),
        ("{1: 2}", "expected a number or a list of numbers, got a dict"),
        ("", "expected an expression such as"),
        ("1 +", "invalid syntax"),
        ("1 in [1]", "got 'in' or 'is'"),
        ("~1", "'~' is not allowed"),
        ("1 | 2", "expected one of"),
        ("shuffle([1])", "it changes a list"),
    ],
)
def test_errors_say_what_and_where(text: str, match: str) -> None:
    with pytest.raises(UserError, match=match):
        parse(text, "x", TIME)


def uniforms_at(seeds: torch.Tensor, epoch: int, cutout: int) -> torch.Tensor:
    """The first four uniforms [B, 4] of `philox.uniforms` for a cutout among four thousand million."""
    counter = (torch.tensor(0), torch.tensor(cutout), torch.tensor(epoch), torch.tensor(int(Stream.EXPRESSION)))
    block = philox4x32(counter, (seeds & 0xFFFFFFFF, (seeds >> 32) & 0xFFFFFFFF))
    return torch.stack([to_uniform(word) for word in block], dim=-1).double()


def test_the_counter_of_draws_is_that_of_philox() -> None:
    seeds = torch.tensor([3, -5])
    assert torch.equal(uniforms_at(seeds, 6, 2), uniforms(seeds, 6, Stream.EXPRESSION, 4, cutouts=3)[:, 2].double())


def test_draws_are_those_of_philox_by_seed_epoch_and_key() -> None:
    schedule = Schedule(7, torch.tensor([3, -(2**62)]))
    drawn = parse("random() + 10*random() + 0*(random() + random() + random())", "y", key="a.b").over(schedule)
    crc32 = 519_008_605  # of "a.b"
    draws = [uniforms_at(schedule.seeds, epoch, crc32) for epoch in range(7)]
    assert torch.equal(drawn, torch.stack([u[:, 0] + 10 * u[:, 1] for u in draws]))


def test_draws_of_a_picture_do_not_depend_on_its_batch_or_on_conditions() -> None:
    both, alone = Schedule(9, torch.tensor([1, 2])), Schedule(9, torch.tensor([2]))
    expression = parse("(5 if t < .5 else random()) + random()", "y", TIME)
    assert torch.equal(expression.over(both)[:, 1:], expression.over(alone))
    second = parse("0 * random() + random()", "y", TIME).over(alone)
    assert torch.equal(expression.over(alone)[:4] - 5, (5 + second[:4]) - 5)
    assert not torch.equal(expression.over(alone), parse(expression.source.text, "z", TIME).over(alone))


@pytest.mark.parametrize("text", ["1 - .95 * t5", "{0: 8, 1: 16}.get(int(t*16), 224)", "gauss(t, .1) if t < .5 else 2"])
def test_ten_thousand_epochs_take_well_under_a_second(text: str) -> None:
    schedule = Schedule(10_000)
    assert takes_less_than(0.5, lambda: parse(text, "x", TIME).over(schedule))
