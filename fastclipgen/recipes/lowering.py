"""From Python's syntax tree to a graph of numbers: the few forms that an expression may have, and no other.

A value on the way is a node (a number, a truth value or a text), a list of values, or a dict with constant keys. All
three have a shape that is known before anything is computed, so whatever does not fit is an error with its place.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from functools import cache

from fastclipgen.errors import nearest
from fastclipgen.recipes.containers import Table, Value, describe, element, lookup, one, where
from fastclipgen.recipes.functions import FUNCTIONS, UNSUPPORTED
from fastclipgen.recipes.nodes import Builder, Node
from fastclipgen.recipes.syntax import Misfit, Source
from fastclipgen.recipes.variables import ALIASES, GROUPS, KINDS, known_here
from fastclipgen.recipes.work import spend

_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf, "nan": math.nan}
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div",
    ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.Pow: "pow",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
_ALLOWED = (
    "numbers, variables, + - * / // % **, comparisons, and, or, not, 'a if c else b', calls of functions, "
    "lists, dicts, [index] and .get"
)


class Lowering:
    """Reads one expression. `groups`: variables allowed; `words`: names that stand for themselves, as texts."""

    def __init__(self, source: Source, groups: frozenset[str], words: tuple[str, ...] = ()) -> None:
        self.source, self.groups, self.words = source, groups, words
        self.build = Builder()

    def read(self, node: ast.expr) -> Value:
        """The value of a (sub-)tree. Raises UserError where the innermost thing that does not fit stands."""
        form = _FORMS.get(type(node))
        try:
            spend(1)
            if form is None:
                raise Misfit(f"expected only {_ALLOWED}, got {_form_name(node)}")
            return form(self, node)
        except Misfit as error:
            raise self.source.error(str(error), node) from None

    def _constant(self, node: ast.Constant) -> Value:
        if isinstance(node.value, str):
            return self.build.text(node.value)
        if not isinstance(node.value, bool | int | float):
            raise Misfit(f"expected a number or a text, got {ast.unparse(node)[:20]}")
        if isinstance(node.value, float) and math.isinf(node.value):
            raise Misfit("the number is too large")
        return self.build.constant(node.value)

    def _name(self, node: ast.Name) -> Value:
        name = ALIASES.get(node.id, node.id)
        if name in GROUPS and name != "time_step":
            return self._variable(node.id, name)
        if node.id in self.words:
            return self.build.text(node.id)
        if node.id in _CONSTANTS:
            return self.build.constant(_CONSTANTS[node.id])
        if name in FUNCTIONS or name == "time_step":
            raise Misfit(f"'{node.id}' is a function; call it as {node.id}(...)")
        known = [*known_here(self.groups), *self.words, *_CONSTANTS, *FUNCTIONS]
        raise Misfit(f"unknown name '{node.id}'{nearest(node.id, known)} (docs/expressions.md lists all names)")

    def _variable(self, written: str, name: str) -> Value:
        if not GROUPS[name] & self.groups:
            belongs = " or ".join(sorted(GROUPS[name]))
            here = "only variables of " + ", ".join(sorted(self.groups)) if self.groups else "no variables"
            raise Misfit(f"'{written}' belongs to {belongs}, but {here} can be used here")
        if name == "resolution":
            return [self.build.variable("width", "int"), self.build.variable("height", "int")]
        return self.build.variable(name, KINDS.get(name, "float"))

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = one(self.read(node.operand))
        if isinstance(node.op, ast.Invert):
            raise Misfit("'~' is not allowed; 'not' is")
        if isinstance(node.op, ast.UAdd):
            return self.build.number(value)
        return self.build.apply("not" if isinstance(node.op, ast.Not) else "neg", value)

    def _binary(self, node: ast.BinOp) -> Value:
        if type(node.op) not in _BINARY:
            raise Misfit(f"expected one of + - * / // % **, got {type(node.op).__name__}")
        return self.build.apply(_BINARY[type(node.op)], one(self.read(node.left)), one(self.read(node.right)))

    def _bool(self, node: ast.BoolOp) -> Value:
        """As Python's: `a or b` is a where a is true, else b."""
        values = [one(self.read(value)) for value in node.values]
        result = values[-1]
        for value in reversed(values[:-1]):
            pair = (value, result) if isinstance(node.op, ast.Or) else (result, value)
            result = self.build.where(value, *pair)
        return result

    def _compare(self, node: ast.Compare) -> Value:
        if any(isinstance(op, ast.In | ast.NotIn | ast.Is | ast.IsNot) for op in node.ops):
            raise Misfit("expected one of < <= == != >= >, got 'in' or 'is'")
        sides = [one(self.read(side)) for side in (node.left, *node.comparators)]
        result = self.build.constant(True)
        for op, a, b in zip(node.ops, sides, sides[1:], strict=False):
            result = self.build.apply("and", result, self._compared(op, a, b))
        return result

    def _compared(self, op: ast.cmpop, a: Node, b: Node) -> Node:
        if isinstance(op, ast.Eq):
            return self.build.same(a, b)
        if isinstance(op, ast.NotEq):
            return self.build.apply("not", self.build.same(a, b))
        return self.build.apply(_COMPARE[type(op)], a, b)

    def _if(self, node: ast.IfExp) -> Value:
        chosen = self.read(node.body)
        condition = one(self.read(node.test))
        return where(self.build, condition, chosen, self.read(node.orelse))

    def _list(self, node: ast.List | ast.Tuple) -> Value:
        return [self.read(item) for item in node.elts]

    def _dict(self, node: ast.Dict) -> Value:
        table = Table()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise Misfit("'**' is not allowed in a dict")
            name = one(self.read(key))
            if not name.constant:
                raise Misfit("expected numbers or texts as keys of a dict, got something that changes")
            table.entries.append((name, self.read(value)))
        return table

    def _subscript(self, node: ast.Subscript) -> Value:
        container = self.read(node.value)
        if isinstance(node.slice, ast.Slice):
            raise Misfit("expected one index in [...], got a slice")
        index = one(self.read(node.slice))
        if isinstance(container, Table):
            return lookup(self.build, container, index)
        if isinstance(container, list):
            return element(self.build, container, index)
        raise Misfit(f"expected a list or a dict before [...], got {describe(container)}")

    def _call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            return self._get(node.func, node)
        if not isinstance(node.func, ast.Name):
            raise Misfit("expected the name of a function before (...)")
        written = node.func.id
        name = ALIASES.get(written, written)
        if name == "time_step":
            return self._called(written, _time_step, node, (self.build, one(self._variable(written, "time"))))
        if name not in FUNCTIONS:
            raise self.source.error(self._unknown(written), node.func)
        return self._called(name, FUNCTIONS[name], node, self.build)

    def _unknown(self, name: str) -> str:
        if name in UNSUPPORTED:
            return f"the function '{name}' cannot be used here, because {UNSUPPORTED[name]}"
        if name in GROUPS or name in ALIASES or name in _CONSTANTS:
            return f"'{name}' is no function; write it without (...)"
        close = nearest(name, [*FUNCTIONS, "time_step", "ts"])
        return f"unknown function '{name}'{close} (docs/expressions.md lists all names)"

    def _called(self, name: str, function: Callable[..., Value], node: ast.Call, first: object) -> Value:
        """Calls the function that makes the graph; Python's own signature says which arguments it takes."""
        if any(isinstance(arg, ast.Starred) for arg in node.args) or any(word.arg is None for word in node.keywords):
            raise Misfit(f"expected the arguments of {name} one by one, got '*'")
        args = [self.read(arg) for arg in node.args]
        words = {str(word.arg): self.read(word.value) for word in node.keywords}
        try:
            bound = _signature(function).bind(first, *args, **words)
        except TypeError as error:
            takes = ", ".join(list(_signature(function).parameters)[1:])
            raise Misfit(f"the arguments do not fit {name}({takes}): {error}") from None
        return function(*bound.args, **bound.kwargs)

    def _get(self, function: ast.Attribute, node: ast.Call) -> Value:
        if function.attr != "get":
            raise self.source.error("the only method is .get of a dict", function)
        table = self.read(function.value)
        if not isinstance(table, Table):
            raise Misfit(f"expected a dict before .get, got {describe(table)}")
        if len(node.args) not in (1, 2) or node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise Misfit("expected .get(key, default)")
        index = one(self.read(node.args[0]))
        return lookup(self.build, table, index, *map(self.read, node.args[1:]))


@cache
def _signature(function: Callable[..., Value]) -> inspect.Signature:
    return inspect.signature(function)


def _time_step(first: tuple[Builder, Node], a: Value, b: Value) -> Value:
    build, time = first
    return build.apply("ramp", time, one(a), one(b))


def _form_name(node: ast.expr) -> str:
    return {
        ast.Attribute: f"the attribute '.{getattr(node, 'attr', '')}'",
        ast.Lambda: "a lambda",
        ast.NamedExpr: "an assignment ':='",
        ast.JoinedStr: "an f-string",
    }.get(type(node), f"a {type(node).__name__}")


_FORMS: dict[type[ast.expr], Callable[..., Value]] = {
    ast.Constant: Lowering._constant,
    ast.Name: Lowering._name,
    ast.UnaryOp: Lowering._unary,
    ast.BinOp: Lowering._binary,
    ast.BoolOp: Lowering._bool,
    ast.Compare: Lowering._compare,
    ast.IfExp: Lowering._if,
    ast.List: Lowering._list,
    ast.Tuple: Lowering._list,
    ast.Dict: Lowering._dict,
    ast.Subscript: Lowering._subscript,
    ast.Call: Lowering._call,
}
