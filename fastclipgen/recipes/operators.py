"""What expressions compute with: elementwise operations of torch, total by IEEE 754.

None of them raises for any value: 1/0 is inf, sqrt(-1) is NaN, and both sides of a condition may be computed for every
element. So one implementation serves a constant, a schedule over all epochs (float64) and similarities on the device.
Whole numbers are floats here too, exact up to 2**53; that a value is whole is known from its `Kind`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["bool", "int", "float", "text"]
EXACT = 2**53  # whole numbers beyond it are not exact in float64


@dataclass(frozen=True)
class Operator:
    """An elementwise function and the kind of its result: a fixed one, or "join", the wider kind of its arguments."""

    function: Callable[..., Tensor]
    result: Literal["bool", "int", "float", "join"] = "float"


def ramp(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """0 before a, 1 after b, straight between; with b < a 1 before b and 0 after a; with a == b a step at a."""
    up = ((t - a) / (b - a)).clamp(0, 1)
    down = 1 - ((t - b) / (a - b)).clamp(0, 1)
    return torch.where(a == b, (t >= a).to(t.dtype), torch.where(a < b, up, down))


def _remainder(x: Tensor, y: Tensor) -> Tensor:
    """IEEE 754 remainder, x - n*y with n the nearest whole number, ties to even (the method of fdlibm)."""
    side = y.abs()
    rest = torch.fmod(x.abs(), 2 * side)
    less = rest - side
    less = torch.where(2 * less >= side, less - side, less)
    rest = torch.where(2 * rest > side, less, rest)
    return torch.copysign(torch.ones_like(x), x) * rest


def _whole(x: Tensor) -> Tensor:
    return x == torch.floor(x)


def _gamma(x: Tensor) -> Tensor:
    above = torch.exp(torch.lgamma(x))
    above = torch.where(_whole(x) & (above < EXACT), torch.round(above), above)
    below = math.pi / (torch.sin(math.pi * x) * torch.exp(torch.lgamma(1 - x)))  # the reflection formula
    return torch.where(x > 0, above, torch.where(_whole(x), torch.nan, below))


def _factorial(n: Tensor) -> Tensor:
    return torch.where(n < 0, torch.nan, _gamma(torch.trunc(n) + 1))


def _permutations(n: Tensor, k: Tensor) -> Tensor:
    """n!/(n-k)!: exact where it can be (20! > 2**53), else by logarithms."""
    n, k = torch.trunc(n), torch.trunc(k)
    product = torch.ones_like(n * k)
    for i in range(20):
        product = torch.where(i < k, product * (n - i), product)
    large = torch.exp(torch.lgamma(n + 1) - torch.lgamma(n - k + 1))
    some = torch.where(k > 20, large, product)
    return torch.where((n < 0) | (k < 0), torch.nan, torch.where(k > n, 0.0, some))


def _combinations(n: Tensor, k: Tensor) -> Tensor:
    """n over k: exact where it can be (60 over 30 > 2**53), else by logarithms."""
    n, k = torch.trunc(n), torch.trunc(k)
    fewer = torch.minimum(k, n - k)
    product = torch.ones_like(n * k)
    for i in range(1, 31):
        product = torch.where(i <= fewer, product * (n - fewer + i) / i, product)
    large = torch.exp(torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1))
    some = torch.where(fewer > 30, large, product)
    return torch.where((n < 0) | (k < 0), torch.nan, torch.where(k > n, 0.0, some))


def _of_integers(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def wrapped(a: Tensor, b: Tensor) -> Tensor:
        fits = (a.abs() <= EXACT) & (b.abs() <= EXACT)
        x, y = (torch.where(fits, value, 0).to(torch.int64) for value in (a, b))
        return torch.where(fits, function(x, y).to(a.dtype), torch.nan)

    return wrapped


def _ulp(x: Tensor) -> Tensor:
    size = x.abs()
    return torch.nextafter(size, torch.full_like(size, math.inf)) - size


_FLOATS: dict[str, Callable[..., Tensor]] = {
    **{name: getattr(torch, name) for name in (
        "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "copysign", "cos", "cosh", "erf", "erfc", "exp",
        "exp2", "expm1", "fmod", "hypot", "lgamma", "log", "log10", "log1p", "log2", "nextafter", "sin", "sinh", "sqrt",
        "tan", "tanh",
    )},
    "cbrt": lambda x: torch.copysign(x.abs() ** (1 / 3), x),
    "degrees": torch.rad2deg,
    "div": torch.true_divide,
    "fabs": torch.abs,
    "fraction": lambda x: torch.where(torch.isinf(x), 0.0, x - torch.trunc(x)),
    "gamma": _gamma,
    "mantissa": lambda x: torch.frexp(x).mantissa,
    "radians": torch.deg2rad,
    "ramp": ramp,
    "remainder": _remainder,
    "trunc_float": torch.trunc,
    "ulp": _ulp,
}  # fmt: skip
_INTS: dict[str, Callable[..., Tensor]] = {
    "ceil": torch.ceil,
    "comb": _combinations,
    "exponent": lambda x: torch.frexp(x).exponent.to(x.dtype),
    "factorial": _factorial,
    "floor": torch.floor,
    "gcd": _of_integers(torch.gcd),
    "isqrt": lambda x: torch.floor(torch.sqrt(torch.trunc(x))),
    "lcm": _of_integers(torch.lcm),
    "perm": _permutations,
    "round": torch.round,  # halves to even, as Python's
    "trunc": torch.trunc,
}
_TRUTHS: dict[str, Callable[..., Tensor]] = {
    "and": torch.logical_and,
    "eq": torch.eq,
    "ge": torch.ge,
    "gt": torch.gt,
    "isfinite": torch.isfinite,
    "isinf": torch.isinf,
    "isnan": torch.isnan,
    "le": torch.le,
    "lt": torch.lt,
    "ne": torch.ne,
    "not": torch.logical_not,
    "or": torch.logical_or,
    "truth": lambda x: x != 0,
}
_JOINS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs,
    "add": torch.add,
    "floordiv": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "max": torch.maximum,
    "min": torch.minimum,
    "mod": torch.remainder,
    "mul": torch.mul,
    "neg": torch.neg,
    "pow": torch.pow,
    "sub": torch.sub,
    "where": torch.where,
}

OPERATORS: dict[str, Operator] = {
    **{name: Operator(function, "float") for name, function in _FLOATS.items()},
    **{name: Operator(function, "int") for name, function in _INTS.items()},
    **{name: Operator(function, "bool") for name, function in _TRUTHS.items()},
    **{name: Operator(function, "join") for name, function in _JOINS.items()},
}
