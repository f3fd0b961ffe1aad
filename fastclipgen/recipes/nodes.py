"""An expression as a graph of scalar operations: built and folded by `Builder`, computed by `compute`.

Lists and dicts exist only while an expression is read (`lowering.py`); what is left are numbers, so a graph can be
computed for all epochs at once or on similarities on the device, in time that is known from its length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fastclipgen.recipes.operators import EXACT, OPERATORS, Kind
from fastclipgen.recipes.syntax import Misfit
from fastclipgen.recipes.work import spend

MAX_NODES = 5000
MAX_DRAWS = 64
_LOOPS = {"comb": 120, "perm": 80}  # units of work beyond one, where they are computed at once
_WIDER: tuple[Kind, ...] = ("bool", "int", "float")


@dataclass(frozen=True, eq=False)
class Node:
    """One number. `op` is a key of `OPERATORS`, "number" (a truth value as 0 or 1) or a leaf: "constant" with its
    `value` (of a text: its place in `Builder.texts`), "variable" with its `name`, "draw" with its index as `value`."""

    op: str
    kind: Kind
    args: tuple[Node, ...] = ()
    value: float = 0
    name: str = ""

    @property
    def constant(self) -> bool:
        return self.op == "constant"


def compute(
    nodes: Sequence[Node],
    wanted: Iterable[Node],
    leaf: Callable[[Node], Tensor],
    dtype: torch.dtype,
    known: Mapping[Node, Tensor] | None = None,
) -> dict[Node, Tensor]:
    """The values of the `wanted` among `nodes`, of which every one comes after its arguments; others are let go early.

    leaf: gives the tensor of a node that is not in `OPERATORS`, of type `dtype` and of any shapes that broadcast; kinds
    "bool" are torch.bool all through the graph. known: values of arguments that are not among the nodes.
    """
    last_use = {arg: node for node in nodes for arg in node.args}
    keep, values = set(wanted), dict(known or {})
    for node in nodes:
        if node.op == "number":
            values[node] = values[node.args[0]].to(dtype)
        elif node.op in OPERATORS:
            values[node] = OPERATORS[node.op].function(*(values[arg] for arg in node.args))
        else:
            values[node] = leaf(node)
        for arg in set(node.args):
            if last_use[arg] is node and arg not in keep:
                del values[arg]
    return {node: values[node] for node in keep}


def constant_tensor(node: Node, dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    """A constant as a 0-d tensor: filled on the device, not copied to it."""
    fits = abs(node.value) <= torch.finfo(dtype).max
    value = node.value if fits or math.isnan(node.value) else math.copysign(math.inf, node.value)
    return torch.full((), value, dtype=torch.bool if node.kind == "bool" else dtype, device=device)


def reachable(outputs: Iterable[Node], nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Those of `nodes`, in their order, that `outputs` depend on."""
    needed: set[Node] = set(outputs)
    ordered = []
    for node in reversed(list(nodes)):  # arguments come before what uses them
        if node in needed:
            needed.update(node.args)
            ordered.append(node)
    return tuple(reversed(ordered))


@dataclass
class Builder:
    """Makes nodes, computes what is constant at once, and refuses what does not fit (`Misfit`)."""

    nodes: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    variables: dict[str, Node] = field(default_factory=dict)
    draws: int = 0

    def _add(self, node: Node) -> Node:
        if len(self.nodes) >= MAX_NODES:
            raise Misfit(f"expected at most {MAX_NODES} operations; make its lists shorter")
        spend(1)
        self.nodes.append(node)
        return node

    def constant(self, value: bool | int | float) -> Node:
        if isinstance(value, bool):
            return self._add(Node("constant", "bool", value=value))
        whole = isinstance(value, int) and abs(value) <= EXACT
        try:
            return self._add(Node("constant", "int" if whole else "float", value=float(value)))
        except OverflowError:
            raise Misfit("the number is too large") from None

    def text(self, value: str) -> Node:
        if value not in self.texts:
            self.texts.append(value)
        return self._add(Node("constant", "text", value=self.texts.index(value)))

    def missing(self, kind: Kind) -> Node:
        """What a list has outside its items and a dict outside its keys: NaN, an error where it is the result."""
        return self._add(Node("constant", "int" if kind == "bool" else kind, value=math.nan))

    def variable(self, name: str, kind: Kind) -> Node:
        if name not in self.variables:
            self.variables[name] = self._add(Node("variable", kind, name=name))
        return self.variables[name]

    def draw(self) -> Node:
        """The next uniform draw in [0, 1)."""
        if self.draws >= MAX_DRAWS:
            raise Misfit(f"expected at most {MAX_DRAWS} random numbers in one expression")
        self.draws += 1
        return self._add(Node("draw", "float", value=self.draws - 1))

    def number(self, node: Node) -> Node:
        if node.kind == "text":
            known = node.constant and not math.isnan(node.value)
            text = f"the text '{self.texts[int(node.value)]}'" if known else "a text"
            raise Misfit(f"expected a number, got {text}")
        return self._make("number", "int", (node,)) if node.kind == "bool" else node

    def truth(self, node: Node) -> Node:
        return node if node.kind == "bool" else self._make("truth", "bool", (self.number(node),))

    def apply(self, op: str, *arguments: Node | int | float) -> Node:
        """The operation on numbers (truth values count as 0 and 1); "and", "or", "not" take them for truth values."""
        args = tuple(arg if isinstance(arg, Node) else self.constant(arg) for arg in arguments)
        args = tuple(map(self.truth if op in ("and", "or", "not") else self.number, args))
        result = OPERATORS[op].result
        kind: Kind = _WIDER[max(_WIDER.index(arg.kind) for arg in args)] if result == "join" else result
        if op == "pow" and not (args[1].constant and args[1].value >= 0):
            kind = "float"  # 2 ** -1 is no whole number
        return self._make(op, kind, args)

    def same(self, a: Node, b: Node) -> Node:
        """a == b, for two texts too; a text equals no number."""
        if "text" in (a.kind, b.kind):
            return self._make("eq", "bool", (a, b)) if a.kind == b.kind else self.constant(False)
        return self.apply("eq", a, b)

    def where(self, condition: Node, a: Node, b: Node) -> Node:
        """`a` where the condition is true, else `b`; both numbers, both truth values or both texts."""
        if a.kind != b.kind:
            a, b = self.number(a), self.number(b)
        kind = a.kind if a.kind == b.kind else "float"
        condition = self.truth(condition)
        if condition.constant:
            return a if condition.value else b
        return self._make("where", kind, (condition, a, b))

    def _make(self, op: str, kind: Kind, args: tuple[Node, ...]) -> Node:
        node = Node(op, kind, args)
        if not all(arg.constant for arg in args):
            return self._add(node)
        spend(1 + _LOOPS.get(op, 0))
        given = {arg: constant_tensor(arg, torch.float64) for arg in args}
        value = compute([node], [node], given.__getitem__, torch.float64, given)[node].item()
        if kind == "int" and not (math.isfinite(value) and abs(value) <= EXACT):
            kind = "float"
        return self._add(Node("constant", kind, value=value))
