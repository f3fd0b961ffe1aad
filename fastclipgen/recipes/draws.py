"""The functions of Python's `random` in expressions, from uniform draws that the schedule makes (`Schedule.draw`).

How many draws a call takes is fixed, and they are numbered in the order of the text whether or not a condition uses
them: so a draw depends on the seed, the epoch and its place in the text only. The distributions are those of Python's
documentation, the numbers are others: Python's generator is never touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from fastclipgen.recipes.containers import Table, Value, element, items, lookup, one, where, whole
from fastclipgen.recipes.nodes import Builder, Node
from fastclipgen.recipes.syntax import Misfit

_BITS = 24  # of one draw
_SMALLEST = 2.0**-_BITS


def _random(build: Builder) -> Value:
    return build.draw()


def _uniform(build: Builder, a: Value, b: Value) -> Value:
    return _between(build, one(a), one(b), build.draw())


def _between(build: Builder, a: Node, b: Node, u: Node) -> Node:
    return build.apply("add", a, build.apply("mul", build.apply("sub", b, a), u))


def _below(build: Builder, count: Node | int) -> Node:
    """A whole number of 0..count-1."""
    return build.apply("floor", build.apply("mul", build.draw(), count))


def _integer(build: Builder, value: Value) -> Node:
    node = build.number(one(value))
    return node if node.kind == "int" else build.apply("trunc", node)


def _randint(build: Builder, a: Value, b: Value) -> Value:
    low = _integer(build, a)
    count = build.apply("add", build.apply("sub", _integer(build, b), low), 1)
    return build.apply("add", low, _below(build, count))


def _randrange(build: Builder, start: Value, stop: Value | None = None, step: Value | None = None) -> Value:
    low = build.constant(0) if stop is None else _integer(build, start)
    high = _integer(build, start if stop is None else stop)
    stride = build.constant(1) if step is None else _integer(build, step)
    count = build.apply("ceil", build.apply("div", build.apply("sub", high, low), stride))
    return build.apply("add", low, build.apply("mul", stride, _below(build, count)))


def _getrandbits(build: Builder, k: Value) -> Value:
    bits = whole(k, "the number of bits")
    if bits > _BITS:
        raise Misfit(f"expected at most {_BITS} bits, got {bits}")
    return _below(build, 2**bits)


def _choice(build: Builder, seq: Value) -> Value:
    return element(build, items(seq), _below(build, len(items(seq))))


def _choices(build: Builder, population: Value, weights: Value | None = None, *, k: Value | None = None) -> Value:
    times = 1 if k is None else whole(k, "k")
    if weights is None:
        return [_choice(build, population) for _ in range(times)]
    return [_weighted(build, population, weights) for _ in range(times)]


def _weighted(build: Builder, population: Value, weights: Value) -> Value:
    things, sums = items(population), [one(weight) for weight in items(weights)]
    if len(sums) != len(things):
        raise Misfit(f"expected as many weights as items, got {len(sums)} and {len(things)}")
    for place in range(1, len(sums)):
        sums[place] = build.apply("add", sums[place - 1], sums[place])
    at = build.apply("mul", build.draw(), sums[-1])
    chosen = things[-1]
    for total, thing in zip(reversed(sums[:-1]), reversed(things[:-1]), strict=True):
        chosen = where(build, build.apply("lt", at, total), thing, chosen)
    return chosen


def _sample(build: Builder, population: Value, k: Value) -> Value:
    """k different items: the first k steps of Fisher's and Yates's shuffle."""
    pool, count = list(items(population)), whole(k, "k")
    if count > len(pool):
        raise Misfit(f"expected at most {len(pool)} items of a list of {len(pool)}, got k = {count}")
    for done in range(count):
        at = build.apply("add", done, _below(build, len(pool) - done))
        first = pool[done]
        rest = Table([(build.constant(place), pool[place]) for place in range(done, len(pool))])
        pool[done] = lookup(build, rest, at)
        for place in range(done + 1, len(pool)):
            pool[place] = where(build, build.apply("eq", at, place), first, pool[place])
    return pool[:count]


def _gauss(build: Builder, mu: Value | None = None, sigma: Value | None = None) -> Value:
    """By Box and Muller, as `philox.normals`: always finite."""
    distance = build.apply("log", build.apply("add", build.draw(), _SMALLEST))
    radius = build.apply("sqrt", build.apply("mul", -2.0, distance))
    normal = build.apply("mul", radius, build.apply("cos", build.apply("mul", 2 * math.pi, build.draw())))
    scaled = normal if sigma is None else build.apply("mul", one(sigma), normal)
    return scaled if mu is None else build.apply("add", one(mu), scaled)


def _lognormvariate(build: Builder, mu: Value | None = None, sigma: Value | None = None) -> Value:
    return build.apply("exp", one(_gauss(build, mu, sigma)))


def _survivor(build: Builder) -> Node:
    return build.apply("sub", 1.0, build.draw())  # in (0, 1]: a logarithm or a root of it is finite


def _expovariate(build: Builder, lambd: Value | None = None) -> Value:
    waited = build.apply("neg", build.apply("log", _survivor(build)))
    return waited if lambd is None else build.apply("div", waited, one(lambd))


def _paretovariate(build: Builder, alpha: Value) -> Value:
    return build.apply("pow", _survivor(build), build.apply("div", -1.0, one(alpha)))


def _weibullvariate(build: Builder, alpha: Value, beta: Value) -> Value:
    power = build.apply("pow", one(_expovariate(build)), build.apply("div", 1.0, one(beta)))
    return build.apply("mul", one(alpha), power)


def _triangular(
    build: Builder, low: Value | None = None, high: Value | None = None, mode: Value | None = None
) -> Value:
    a = build.constant(0.0) if low is None else one(low)
    b = build.constant(1.0) if high is None else one(high)
    peak = _between(build, a, b, build.constant(0.5)) if mode is None else one(mode)
    u, width = build.draw(), build.apply("sub", b, a)
    split = build.apply("div", build.apply("sub", peak, a), width)
    rest, beyond = build.apply("sub", 1.0, u), build.apply("sub", b, peak)
    product = partial(build.apply, "mul")
    rising = build.apply("add", a, build.apply("sqrt", product(u, product(width, build.apply("sub", peak, a)))))
    falling = build.apply("sub", b, build.apply("sqrt", product(rest, product(width, beyond))))
    return build.where(build.apply("lt", u, split), rising, falling)


DRAWS: dict[str, Callable[..., Value]] = {
    "choice": _choice,
    "choices": _choices,
    "expovariate": _expovariate,
    "gauss": _gauss,
    "getrandbits": _getrandbits,
    "lognormvariate": _lognormvariate,
    "normalvariate": _gauss,
    "paretovariate": _paretovariate,
    "randint": _randint,
    "random": _random,
    "randrange": _randrange,
    "sample": _sample,
    "triangular": _triangular,
    "uniform": _uniform,
    "weibullvariate": _weibullvariate,
}
_ENDLESS = "it may need any number of draws; gauss, triangular or weibullvariate need a fixed one"
_STATE = "draws depend on the picture's seed and the epoch only; give the run another seed"
UNSUPPORTED_DRAWS: dict[str, str] = {
    **dict.fromkeys(("betavariate", "binomialvariate", "gammavariate", "vonmisesvariate"), _ENDLESS),
    **dict.fromkeys(("seed", "getstate", "setstate"), _STATE),
    "shuffle": "it changes a list; sample(list, len(list)) gives a shuffled one",
    "randbytes": "an expression has no bytes",
}
