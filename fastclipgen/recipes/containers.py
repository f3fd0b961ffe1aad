"""Lists and dicts while an expression is read: their shape is known, so picking from them is conditions on numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Union

from fastclipgen.recipes.nodes import Builder, Node
from fastclipgen.recipes.syntax import Misfit


@dataclass
class Table:
    """A dict: constant keys with their values, of equal keys the later one counts."""

    entries: list[tuple[Node, Value]] = field(default_factory=list)


Value = Union[Node, "list[Value]", Table]


def describe(value: Value) -> str:
    """What a value is, for an error."""
    if isinstance(value, Node):
        return "a text" if value.kind == "text" else "a number"
    return f"a list of {len(value)}" if isinstance(value, list) else "a dict"


def one(value: Value) -> Node:
    """The value, where a single one is needed. Raises Misfit for lists and dicts."""
    if not isinstance(value, Node):
        raise Misfit(f"expected a single number, got {describe(value)}; pick from it with [index]")
    return value


def items(value: Value) -> list[Value]:
    """The items of a list that has some. Raises Misfit for anything else."""
    if not isinstance(value, list):
        raise Misfit(f"expected a list, got {describe(value)}")
    if not value:
        raise Misfit("expected a list with items, got an empty one")
    return value


def whole(value: Value, what: str) -> int:
    """A constant whole number of 0 or more. Raises Misfit for anything else."""
    node = one(value)
    if not node.constant or node.kind == "text" or not 0 <= node.value < math.inf or int(node.value) != node.value:
        raise Misfit(f"expected {what} as a whole number that does not change")
    return int(node.value)


def where(build: Builder, condition: Node, a: Value, b: Value) -> Value:
    """`a` where the condition is true, else `b`; lists of one length item by item."""
    if build.truth(condition).constant:
        return a if condition.value else b
    if isinstance(a, Node) and isinstance(b, Node):
        return build.where(condition, a, b)
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [where(build, condition, x, y) for x, y in zip(a, b, strict=True)]
    raise Misfit(f"expected two values of one shape to choose from, got {describe(a)} and {describe(b)}")


def element(build: Builder, values: Value, index: Node) -> Value:
    """`values[index]` with a whole number; negative ones count from the end, outside the list there is nothing."""
    values = items(values)
    if index.kind not in ("int", "bool"):
        raise Misfit("expected a whole number as the index of a list; write int(...) around it")
    index, count = build.number(index), len(values)
    if index.constant:
        if not -count <= index.value < count:
            raise Misfit(f"expected an index of {-count}..{count - 1} into a list of {count}, got {int(index.value)}")
        return values[int(index.value)]
    index = build.where(build.apply("lt", index, 0), build.apply("add", index, count), index)
    return lookup(build, Table([(build.constant(place), value) for place, value in enumerate(values)]), index)


def lookup(build: Builder, table: Table, key: Node, default: Value | None = None) -> Value:
    """The value of a key, or the default, or nothing (`Builder.missing`)."""
    result = default
    for candidate, value in table.entries:
        result = where(
            build, build.same(key, candidate), value, _nothing_like(build, value) if result is None else result
        )
    return build.missing("float") if result is None else result


def _nothing_like(build: Builder, value: Value) -> Value:
    if isinstance(value, list):
        return [_nothing_like(build, item) for item in value]
    return build.missing(value.kind) if isinstance(value, Node) else Table()
