"""Every function of `math` and of the builtins, against Python's own, as a constant and over epochs."""

from __future__ import annotations

import ast
import builtins
import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.recipes.draws import DRAWS
from fastclipgen.recipes.expressions import parse
from fastclipgen.recipes.functions import FUNCTIONS
from fastclipgen.recipes.variables import TIME, Schedule

CALLS = [
    "abs(-2.5)", "abs(-2)", "acos(.3)", "acosh(1.5)", "all([1, 0])", "all([1, 2])", "any([0, 0])", "any([0, 2])",
    "asin(.3)", "asinh(.3)", "atan(.3)", "atan2(.3, -2)", "atanh(.3)", "bool(3)", "bool(0.)", "ceil(2.1)",
    "ceil(-2.1)", "comb(5, 2)", "comb(50, 25)", "comb(3, 5)", "comb(100, 2)", "copysign(2, -1)", "cos(.3)", "cosh(.3)",
    "degrees(1)", "dist([1, 2], [4, 6])", "divmod(7, -2)[0]", "divmod(7, -2)[1]", "erf(.3)", "erfc(.3)", "exp(2)",
    "expm1(1e-9)", "fabs(-3)", "factorial(0)", "factorial(5)", "factorial(20)", "float(3)", "floor(-2.1)",
    "fmod(-7, 3)", "frexp(10.)[0]", "frexp(10.)[1]", "fsum([1, 2.5])", "gamma(5)", "gamma(.5)", "gamma(-1.5)",
    "gcd(12, 18)", "gcd(12, 18, 8)", "gcd()", "hypot(3, 4)", "hypot(1, 2, 3)", "int(2.9)", "int(-2.9)",
    "isclose(1, 1.05, rel_tol=.1)", "isclose(1, 1.05)", "isclose(0, .01, abs_tol=.1)", "isfinite(1)", "isfinite(inf)",
    "isinf(-inf)", "isnan(nan)", "isqrt(17)", "lcm(4, 6)", "ldexp(.75, 4)", "len([1, 2, 3])", "lgamma(4.5)", "log(8)",
    "log(8, 2)", "log10(1000)", "log1p(1e-9)", "log2(8)", "max(1, 3, 2)", "max([1, 2.5])", "min(3, 1.5)",
    "modf(-2.25)[0]", "modf(2.25)[1]", "nextafter(1, 2)", "perm(5, 2)", "perm(5)", "perm(3, 4)", "pow(2, .5)",
    "prod([2, 3, 4])", "prod([2, 3], start=2)", "radians(90)", "remainder(7, 4)", "remainder(-5, 2)",
    "remainder(3, 2)", "round(2.5)", "round(-3.7)", "round(2.567, 2)", "round(1234, -2)", "sin(.3)", "sinh(.3)",
    "sqrt(2)", "sum([1, 2, 3])", "sum([1], 5)", "tan(.3)", "tanh(.3)", "trunc(-2.7)", "ulp(1)", "pi", "e", "tau",
]  # fmt: skip
# `math` has these in newer versions of Python only.
NEWER = {"cbrt(-27)": -3, "exp2(3)": 8, "fma(2, 3, 4)": 10, "sumprod([1, 2], [3, 4])": 11}


def python_value(text: str) -> float:
    namespace = {name: getattr(builtins, name) for name in FUNCTIONS if hasattr(builtins, name)} | vars(math)
    return eval(text, namespace)


@pytest.mark.parametrize("text", CALLS)
def test_functions_give_what_python_gives(text: str) -> None:
    ours, theirs = parse(text, "x").value, python_value(text)
    assert ours == pytest.approx(theirs, rel=1e-13)
    if text not in ("round(1234, -2)", "factorial(20)"):  # rounding to digits gives a float here, and so does 2**53
        assert type(ours) is type(theirs)


@pytest.mark.parametrize("text", NEWER)
def test_functions_of_newer_pythons(text: str) -> None:
    assert parse(text, "x").value == pytest.approx(NEWER[text], rel=1e-14)


def test_every_function_is_tested() -> None:
    called = {node.id for text in [*CALLS, *NEWER] for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert set(FUNCTIONS) - set(DRAWS) <= called


def test_all_of_math_is_there() -> None:
    known = {name for name in dir(math) if not name.startswith("_")} - set(FUNCTIONS) - {"pi", "e", "tau", "inf", "nan"}
    assert known <= {"fmax", "fmin", "isnormal", "issubnormal", "signbit"}  # of Python 3.15


@pytest.mark.parametrize("text", [text for text in CALLS if "(" in text and "[" not in text and text != "gcd()"])
def test_functions_over_epochs_give_what_they_give_of_constants(text: str) -> None:
    """The first argument as a thing that changes: 0*t added."""
    tree = ast.parse(text, mode="eval").body
    assert isinstance(tree, ast.Call)
    tree.args[0] = ast.parse(f"{ast.unparse(tree.args[0])} + 0*t", mode="eval").body
    expected = parse(text, "x").output.value
    changing = parse(ast.unparse(tree), "x", TIME)
    found = changing.computed(Schedule(3), changing.nodes, [changing.output])[changing.output][1, 0].item()
    assert found == pytest.approx(float(expected), rel=1e-13, nan_ok=True)


@pytest.mark.parametrize(
    "text", ["factorial(-1)", "gamma(-1)", "comb(-1, 2)", "perm(2, -1)", "sqrt(-1)", "log(0)", "acos(2)", "fmod(1, 0)"]
)
def test_what_python_refuses_is_no_finite_number(text: str) -> None:
    with pytest.raises(UserError, match="expected a finite number"):
        _ = parse(text, "x").value


def draw(text: str, count: int = 4000) -> torch.Tensor:
    return parse(text, "x", TIME).over(Schedule(count))[:, 0]


# text: (lowest, highest, mean, standard deviation), from the distributions' formulas
DISTRIBUTIONS = {
    "random()": (0, 1, 0.5, 0.2887),
    "uniform(2, 6)": (2, 6, 4, 1.1547),
    "gauss(3, 2)": (-9, 15, 3, 2),
    "gauss()": (-6, 6, 0, 1),
    "normalvariate(1, .5)": (-2, 4, 1, 0.5),
    "lognormvariate(0, .25)": (0.2, 5, 1.0317, 0.262),
    "expovariate(2)": (0, 8, 0.5, 0.5),
    "expovariate()": (0, 17, 1, 1),
    "paretovariate(5)": (1, 30, 1.25, 0.3227),
    "weibullvariate(1, 2)": (0, 5, 0.8862, 0.4633),
    "triangular()": (0, 1, 0.5, 0.2041),
    "triangular(0, 10, 1)": (0, 10, 3.6667, 2.2485),
    "randint(1, 6)": (1, 6, 3.5, 1.7078),
    "randrange(4)": (0, 3, 1.5, 1.118),
    "randrange(2, 9, 3)": (2, 8, 5, 2.4495),
    "randrange(9, 2, -3)": (3, 9, 6, 2.4495),
    "getrandbits(3)": (0, 7, 3.5, 2.2913),
    "choice([1, 2, 6])": (1, 6, 3, 2.1602),
    "choices([1, 2, 6], k=2)[1]": (1, 6, 3, 2.1602),
    "choices([0, 1], [1, 3])[0]": (0, 1, 0.75, 0.433),
    "sample([1, 2, 6], 3)[1]": (1, 6, 3, 2.1602),
}


@pytest.mark.parametrize("text", DISTRIBUTIONS)
def test_random_functions_have_their_distributions(text: str) -> None:
    low, high, mean, deviation = DISTRIBUTIONS[text]
    drawn = draw(text)
    assert low <= drawn.min()
    assert drawn.max() <= high
    assert drawn.mean().item() == pytest.approx(mean, abs=5 * deviation / 4000**0.5)
    assert drawn.std().item() == pytest.approx(deviation, rel=0.12)


def test_every_random_function_is_tested() -> None:
    assert set(DRAWS) == {text.split("(")[0] for text in DISTRIBUTIONS}


def test_whole_draws_reach_both_ends() -> None:
    assert draw("randint(-1, 1)").unique().tolist() == [-1, 0, 1]
    assert draw("choice([5, 7, 9])").unique().tolist() == [5, 7, 9]


def test_a_sample_takes_no_item_twice() -> None:
    assert draw("sum(sample([1, 10, 100, 1000], 4))").unique().tolist() == [1111]
    pairs = draw("sum(sample([1, 10, 100], 2))")
    assert pairs.unique().tolist() == [11, 101, 110]


@pytest.mark.parametrize("text", ["seed(3)", "betavariate(1, 2)", "sample([1], 2)", "choice([])", "getrandbits(60)"])
def test_what_random_cannot_do_here_is_an_error(text: str) -> None:
    with pytest.raises(UserError):
        parse(text, "x", TIME)
