"""No expression runs Python, hangs, eats memory, or fails in any way but a UserError."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclipgen.errors import UserError
from fastclipgen.recipes.expressions import Expression, parse, parse_list
from fastclipgen.recipes.functions import FUNCTIONS
from fastclipgen.recipes.live import Live
from fastclipgen.recipes.variables import ALIASES, FEATURE, GROUPS, TIME, Schedule

from ..timing import takes_less_than

ESCAPES = [
    "__import__('os').system('true')", "().__class__.__bases__[0].__subclasses__()", "[].__class__", "t.__class__",
    "(1).__class__", "(1).real", "'a'.format(1)", "'{0.__class__}'.format(t)", "f'{t}'", "f'{t.__class__}'",
    "'%s' % t", "'a' + 'b'", "'a' * 10**9", "[0] * 10**9", "lambda: 1", "(lambda: 1)()", "(x := 1)", "(t := 1)",
    "[x for x in [1]]", "[x for x in range(10**9)]", "{x for x in [1]}", "{x: x for x in [1]}", "(x for x in [1])",
    "sum([1 for _ in [1]*10**6])", "getattr(t, 'real')", "setattr(t, 'a', 1)", "globals()", "locals()", "vars()",
    "dir()", "eval('1')", "exec('1')", "compile('1', '', 'eval')", "open('/etc/passwd')", "input()", "breakpoint()",
    "exit()", "type(t)", "type('X', (), {})", "object()", "super()", "print(1)", "range(10)", "map(abs, [1])",
    "str(1)", "repr(t)", "chr(65)", "bytes(10**9)", "__builtins__", "__name__", "__file__", "self", "torch.load('x')",
    "math.sin(1)", "sin.__globals__", "max.__self__", "{}.get.__class__", "{1: 2}.pop(1)", "{1: 2}.items()",
    "{1: 2}.__class__", "{1: 2}.get.__self__", "{**{1: 2}}", "[*[1]]", "max(*[1, 2])", "max(**{'a': 1})", "sum(x=1)",
    "await t", "yield", "(yield)", "import os", "t = 1", "t; t", "1\n2", "del t", "...", "None", "1j", "b'a'",
    "{1, 2}", "t if t", "[1, 2][::1]", "[1, 2][True:]", "[1, 2][1.]", "not", "sin", "sin(sin)", "[sin][0](1)",
    "(sin if t else cos)(1)", "{'a': sin}['a'](1)", "choice([sin, cos])(1)", "gamma()", "round(1, 2, 3)", "len(3)",
    "len('abc')", "'abc'[0]", "int('1')", "float('nan')", "isclose(1, 2, tol=3)", "choices([1], k=10**9)",
    "sample([1], 10**9)", "getrandbits(10**9)", "\x00", "t\x00", "\ud800", "'\ud800' + t", "1 if t else", "`t`", "t!",
    "$t", "t?", "10**400", "9" * 1990 + ".x", "if", "None.__class__", "True.__class__", "[[]][0]", "{}[0][0]", "{}",
    "[]", "{1: sin}[1]", "@t", "1 @ 2", "1 << 99",
]  # fmt: skip
BOMBS = [
    "9**9**9", "9**9**9**9", "2**2**2**2**2**2**2", "(-9)**9**9", "factorial(10**9)", "factorial(factorial(20))",
    "comb(10**15, 10**8)", "perm(10**15, 10**8)", "lcm(10**15, 10**15 - 1, 10**14 + 7)", "gcd(1e308, 1e308)",
    "isqrt(10**300)", "round(1, 10**9)", "ldexp(1, 10**9)", "1e308 * 1e308", "exp(1e9)", "10**-400",
    "randint(0, 10**300)", "randrange(0, 10**15)", "1" + "0" * 1900, "(" * 900 + "1" + ")" * 900,
    "(" * 190 + "1" + ")" * 190, "-" * 1900 + "1", "not " * 480 + "1", "1" + "+1" * 900, "1" + "**1" * 600,
    "[" * 900 + "]" * 900, "t" + "[0]" * 600, "a" + ".b" * 900, "sin(" * 400 + "1" + ")" * 400,
    "1 if 1 else " * 160 + "1", "[" + "1," * 900 + "][int(t)]", "[" + "[1,1,1]," * 240 + "][int(t)][int(t)]",
    "sample([" + "1," * 60 + "], 60)[0]", "choices([" + "t," * 400 + "], k=64)[0]", "+".join(["random()"] * 200),
    "+".join(["comb(99,40)"] * 90), "max(" + "t," * 900 + "1)", "{" + "1:t," * 450 + "}[epoch]",
    "gcd(" + "epoch," * 300 + "1)", "'" + "a" * 1900 + "'", "x" * 3000, "{" * 900, "'" * 1999, "\\" * 1000,
    "#" + "x" * 900,
]  # fmt: skip
COLUMN = torch.arange(10_000.0)[:, None]
SCHEDULE = Schedule(10_000).with_resolution(COLUMN, COLUMN + 8).with_learnrate(COLUMN, COLUMN)
SHORT = Schedule(50).with_resolution(COLUMN[:50], COLUMN[:50] + 8).with_learnrate(COLUMN[:50], COLUMN[:50])


def outcome(text: str, schedule: Schedule = SCHEDULE) -> str:
    """Reads and computes in less than a second; says whether that gave a result or a UserError."""
    said: set[str] = set()
    assert takes_less_than(1, lambda: said.add(_outcome(text, schedule)))
    (same,) = said
    return same


def _outcome(text: str, schedule: Schedule) -> str:
    try:
        read = parse_list(text, "x", FEATURE)
        for expression in (read,) if isinstance(read, Expression) else read[:3]:
            Live(expression, schedule, "cpu") if expression.live else expression.over(schedule)
    except UserError as error:
        return "error" if len(str(error)) < 600 else "a long error"
    return "result"


@pytest.mark.parametrize("text", ESCAPES)
def test_escapes_are_errors(text: str) -> None:
    assert outcome(text) == "error"


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: text[:30])
def test_bombs_neither_hang_nor_fail_otherwise(text: str) -> None:
    outcome(text)


def test_what_is_allowed_is_bounded_not_forbidden() -> None:
    assert parse("+".join(["1"] * 90), "x").value == 90
    assert parse("(" * 150 + "t" + ")" * 150, "x", TIME).variables == {"time"}


TOKENS = st.sampled_from(
    [
        *FUNCTIONS, *GROUPS, *ALIASES, "pi", "inf", "nan", "x", "__class__", "__import__", "lambda ", " for ", " in ",
        *"+-*/%()[]{},:.<>=~^|&@", "**", "//", "==", ":=", " if ", " else ", " and ", " not ", "0", "1", "2.5", "1e300",
        "99999999999", "'a'", '"b"', ".get(", "\n", "f'{t}'", "é", "\x00",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(TOKENS, max_size=25).map("".join)))
def test_any_text_gives_a_result_or_a_user_error(text: str) -> None:
    assert outcome(text, SHORT) in ("result", "error")


@st.composite
def grown(draw: st.DrawFn, leaves: list[str], forms: list[str], depth: int = 4) -> str:
    """An expression: leaves in the places `_` of forms within forms."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(leaves))
    first, *rest = draw(st.sampled_from(forms)).split("_")
    return first + "".join(draw(grown(leaves, forms, depth - 1)) + part for part in rest)


OPERATIONS = [f"(_ {op} _)" for op in ["+", "-", "*", "/", "//", "%", "<", "<=", "==", "!=", ">", ">=", "and", "or"]]
FORMS = ["(_ if _ else _)", "max(_, _)", "min(_, _, _)", "[_, _][int(_) % 2]", "{0: _, 1: _}.get(_, _)"]
CALLS = [f"{name}({inside})" for name in FUNCTIONS for inside in ("", "_", "_, _", "_, _, _", "[_, _]")]
CALLS += ["(_ ** _)", "(-_)", "(not _)", "[_, _][_]", "[_, _]", "ts(_, _)"]


@settings(max_examples=200, deadline=None)
@given(
    grown(["t", "epoch", "sim", "lr", "0", "1", "-2", ".5", "1e300", "inf", "nan", "random()", "'a'"], FORMS + CALLS)
)
def test_well_formed_expressions_give_a_result_or_a_user_error(text: str) -> None:
    assert outcome(text, SHORT) in ("result", "error")


# Operations whose result IEEE 754 fixes to the last bit.
EXACT = [f"({name}(_))" for name in ("int", "round", "abs", "float", "bool", "not ", "-", "floor", "ceil")]


@settings(max_examples=200, deadline=None)
@given(grown(["t", "epoch", "0", "1", "2", "7", ".5", ".1", "2.75", "True"], OPERATIONS + FORMS + EXACT, 3))
def test_all_epochs_at_once_equal_python_epoch_by_epoch(text: str) -> None:
    schedule = Schedule(7)
    expression = parse(text, "x", TIME)
    found = expression.computed(schedule, expression.nodes, [expression.output])[expression.output]
    found = found.to(torch.float64).expand(7, 1)[:, 0].tolist()
    for epoch in range(7):
        try:
            names = {"t": epoch / 6, "epoch": epoch, "floor": math.floor, "ceil": math.ceil}
            expected = float(eval(text, names))
        except (ZeroDivisionError, ValueError, OverflowError):  # infinite or NaN on the way, which Python refuses
            continue
        assert found[epoch] == expected or (math.isnan(expected) and math.isnan(found[epoch])), epoch
