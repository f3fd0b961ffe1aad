"""The functions of expressions by name: Python's `math`, its plain builtins, and `random` (`draws.py`).

Each takes the builder and its arguments as values and gives the value of the call, which must fit its signature.
Where Python raises an error (sqrt(-1), factorial(-1)) the result is no finite number, see `operators.py`; where it
wants whole numbers (gcd, comb), fractions are cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from fastclipgen.recipes.containers import Value, items, one
from fastclipgen.recipes.draws import DRAWS, UNSUPPORTED_DRAWS
from fastclipgen.recipes.nodes import Builder, Node
from fastclipgen.recipes.syntax import Misfit

_ONE_ARGUMENT = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "ceil", "cos", "cosh", "degrees", "erf", "erfc",
    "exp", "exp2", "expm1", "fabs", "factorial", "floor", "gamma", "isfinite", "isinf", "isnan", "isqrt", "lgamma",
    "log10", "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc", "ulp",
)  # fmt: skip
_TWO_ARGUMENTS = ("atan2", "comb", "copysign", "fmod", "nextafter", "pow", "remainder")


def _unary(op: str) -> Callable[..., Value]:
    def function(build: Builder, x: Value) -> Value:
        return build.apply(op, one(x))

    return function


def _binary(op: str) -> Callable[..., Value]:
    def function(build: Builder, x: Value, y: Value) -> Value:
        return build.apply(op, one(x), one(y))

    return function


def _several(op: str, empty: int) -> Callable[..., Value]:
    def function(build: Builder, *values: Value) -> Value:
        return reduce(lambda a, b: build.apply(op, a, b), map(one, values), build.constant(empty))

    return function


def _extreme(op: str) -> Callable[..., Value]:
    def function(build: Builder, *values: Value) -> Value:
        chosen = items(values[0]) if len(values) == 1 else items(list(values))
        return reduce(lambda a, b: build.apply(op, a, b), map(one, chosen[1:]), build.number(one(chosen[0])))

    return function


def _total(build: Builder, op: str, values: Value, start: Value) -> Node:
    if not isinstance(values, list):
        raise Misfit("expected a list")
    return reduce(lambda a, b: build.apply(op, a, b), map(one, values), build.number(one(start)))


def _sum(build: Builder, values: Value, start: Value | None = None) -> Value:
    return _total(build, "add", values, build.constant(0) if start is None else start)


def _fsum(build: Builder, values: Value) -> Value:
    return _total(build, "add", values, build.constant(0.0))


def _prod(build: Builder, values: Value, start: Value | None = None) -> Value:
    return _total(build, "mul", values, build.constant(1) if start is None else start)


def _pairs(build: Builder, op: str, p: Value, q: Value) -> list[Node]:
    p, q = items(p), items(q)
    if len(p) != len(q):
        raise Misfit(f"expected two lists of one length, got {len(p)} and {len(q)} items")
    return [build.apply(op, one(a), one(b)) for a, b in zip(p, q, strict=True)]


def _dist(build: Builder, p: Value, q: Value) -> Value:
    return reduce(lambda a, b: build.apply("hypot", a, b), _pairs(build, "sub", p, q), build.constant(0.0))


def _sumprod(build: Builder, p: Value, q: Value) -> Value:
    return _sum(build, list(_pairs(build, "mul", p, q)))


def _log(build: Builder, x: Value, base: Value | None = None) -> Value:
    result = build.apply("log", one(x))
    return result if base is None else build.apply("div", result, build.apply("log", one(base)))


def _isclose(
    build: Builder, a: Value, b: Value, *, rel_tol: Value | None = None, abs_tol: Value | None = None
) -> Value:
    x, y = one(a), one(b)
    relative = build.constant(1e-9) if rel_tol is None else one(rel_tol)
    size = build.apply("max", build.apply("abs", x), build.apply("abs", y))
    tolerance = build.apply("max", build.apply("mul", relative, size), 0 if abs_tol is None else one(abs_tol))
    difference = build.apply("abs", build.apply("sub", x, y))
    near = build.apply("and", build.apply("le", difference, tolerance), build.apply("isfinite", size))
    return build.apply("or", build.apply("eq", x, y), near)


def _ldexp(build: Builder, x: Value, i: Value) -> Value:
    return build.apply("mul", one(x), build.apply("exp2", build.apply("trunc", one(i))))


def _fma(build: Builder, x: Value, y: Value, z: Value) -> Value:
    return build.apply("add", build.apply("mul", one(x), one(y)), one(z))


def _frexp(build: Builder, x: Value) -> Value:
    return [build.apply("mantissa", one(x)), build.apply("exponent", one(x))]


def _modf(build: Builder, x: Value) -> Value:
    return [build.apply("fraction", one(x)), build.apply("trunc_float", one(x))]


def _divmod(build: Builder, x: Value, y: Value) -> Value:
    return [build.apply("floordiv", one(x), one(y)), build.apply("mod", one(x), one(y))]


def _perm(build: Builder, n: Value, k: Value | None = None) -> Value:
    return build.apply("factorial", one(n)) if k is None else build.apply("perm", one(n), one(k))


def _round(build: Builder, x: Value, ndigits: Value | None = None) -> Value:
    if ndigits is None:
        return build.apply("round", one(x))
    shift = build.apply("pow", 10.0, build.apply("trunc", one(ndigits)))
    return build.apply("div", build.apply("round", build.apply("mul", one(x), shift)), shift)


def _float(build: Builder, x: Value) -> Value:
    return build.apply("mul", one(x), 1.0)


def _bool(build: Builder, x: Value) -> Value:
    return build.truth(one(x))


def _len(build: Builder, values: Value) -> Value:
    if not isinstance(values, list):
        raise Misfit("expected a list")
    return build.constant(len(values))


def _all(build: Builder, values: Value) -> Value:
    return _several("and", 1)(build, *items(values))


def _any(build: Builder, values: Value) -> Value:
    return _several("or", 0)(build, *items(values))


FUNCTIONS: dict[str, Callable[..., Value]] = {
    **{name: _unary(name) for name in _ONE_ARGUMENT},
    **{name: _binary(name) for name in _TWO_ARGUMENTS},
    "all": _all,
    "any": _any,
    "bool": _bool,
    "dist": _dist,
    "divmod": _divmod,
    "float": _float,
    "fma": _fma,
    "frexp": _frexp,
    "fsum": _fsum,
    "gcd": _several("gcd", 0),
    "hypot": _several("hypot", 0),
    "int": _unary("trunc"),
    "isclose": _isclose,
    "lcm": _several("lcm", 1),
    "ldexp": _ldexp,
    "len": _len,
    "log": _log,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "modf": _modf,
    "perm": _perm,
    "prod": _prod,
    "round": _round,
    "sum": _sum,
    "sumprod": _sumprod,
    **DRAWS,
}
UNSUPPORTED: dict[str, str] = UNSUPPORTED_DRAWS
