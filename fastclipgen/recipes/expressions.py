"""Expressions of CLIPig's YAML files: read once, safe, and computed for all epochs at a time.

Own code on Python's `ast` rather than the library simpleeval: that walks the tree with Python values at every
evaluation, so it knows neither schedules of 10,000 epochs at once nor tensors on a device, takes one branch of a
condition for all elements, and bounds powers and texts only. Here reading (`lowering.py`) leaves a graph of elementwise
operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fastclipgen.recipes.containers import describe
from fastclipgen.recipes.lowering import Lowering
from fastclipgen.recipes.nodes import Node, compute, constant_tensor, reachable
from fastclipgen.recipes.operators import Kind
from fastclipgen.recipes.syntax import Source, clean, tree
from fastclipgen.recipes.variables import Schedule


@dataclass(frozen=True, eq=False)
class Expression:
    """One number, truth value or text that an expression gives."""

    source: Source
    output: Node
    nodes: tuple[Node, ...]
    texts: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """Of the result: "int" where its operations promise a whole number, as `int(...)` and `epoch` do."""
        return self.output.kind

    @property
    def variables(self) -> frozenset[str]:
        """Long names of the variables that the result depends on."""
        return frozenset(node.name for node in self.nodes if node.op == "variable")

    @property
    def live(self) -> bool:
        """Depends on a similarity, so it is known in the step only."""
        return "similarity" in self.variables

    @property
    def constant(self) -> bool:
        """Depends on nothing; `value` has it."""
        return self.output.constant

    @property
    def value(self) -> bool | int | float | str:
        """Of a constant expression. Raises UserError where it is not finite."""
        value = self.output.value
        if value in (float("inf"), float("-inf")) or value != value:
            raise self.source.error(f"expected a finite number, got {value}; nothing may be divided by 0")
        if self.kind == "text":
            return self.texts[int(value)]
        return {"bool": bool, "int": int, "float": float}[self.kind](value)

    def over(self, schedule: Schedule) -> Tensor:
        """The value at every epoch: float64 [epochs, 1], or [epochs, B] where it differs from picture to picture.

        Texts are their places in `texts`. Raises UserError naming the first epoch where it is not finite.
        """
        values = self.computed(schedule, self.nodes, [self.output])[self.output].to(torch.float64)
        values = values.expand(schedule.epochs, values.shape[-1] if values.ndim else 1)
        self.check(values, schedule)
        return values

    def computed(
        self, schedule: Schedule, nodes: Sequence[Node], wanted: Iterable[Node], similarity: Tensor | None = None
    ) -> dict[Node, Tensor]:
        """Values of the `wanted` among some of this expression's nodes: [] or [epochs, 1 or B], float64 or bool."""
        blocks: dict[int, tuple[Tensor, ...]] = {}

        def leaf(node: Node) -> Tensor:
            if node.constant:
                return constant_tensor(node, torch.float64)
            if node.op == "draw":
                block, place = divmod(int(node.value), 4)
                if block not in blocks:
                    blocks[block] = schedule.draws(self.source.key, block)
                return blocks[block][place]
            if node.name == "similarity" and similarity is not None:
                return similarity
            return schedule.variable(node.name)

        return compute(nodes, wanted, leaf, torch.float64)

    def check(self, values: Tensor, schedule: Schedule, condition: str = "") -> None:
        """Raises UserError naming the first epoch where one of the values [epochs, B] is not finite."""
        bad = (~torch.isfinite(values)).any(dim=1)
        if bad.any():
            epoch = int(bad.to(torch.uint8).argmax())
            value = values[epoch][~torch.isfinite(values[epoch])][0].item()
            raise self.source.error(
                f"expected a finite number at every epoch, got {value} at epoch {epoch} of 0..{schedule.epochs - 1}"
                f"{condition}; look for a division by 0, a root of a negative number or an index outside a list"
            )


def parse_list(
    text: str, where: str, groups: frozenset[str] = frozenset(), words: tuple[str, ...] = (), key: str | None = None
) -> tuple[Expression, ...] | Expression:
    """Reads an expression that may be a list: a tuple of its items then, else the single expression.

    where: what it is the value of, for errors. groups: variables allowed (`variables.py`). words: names that stand for
    themselves as texts. key: what its draws are drawn for, such as its key path (default: `where`).
    Raises UserError for anything that is not allowed.
    """
    source = Source(clean(text), where, where if key is None else key)
    lowering = Lowering(source, groups, words)
    read = lowering.read(tree(source))
    nodes, texts = lowering.build.nodes, tuple(lowering.build.texts)
    if isinstance(read, list) and read and all(isinstance(item, Node) for item in read):
        outputs = [item for item in read if isinstance(item, Node)]
        return tuple(Expression(source, node, reachable([node], nodes), texts) for node in outputs)
    if not isinstance(read, Node):
        raise source.error(f"expected a number or a list of numbers, got {describe(read)}")
    return Expression(source, read, reachable([read], nodes), texts)


def parse(
    text: str, where: str, groups: frozenset[str] = frozenset(), words: tuple[str, ...] = (), key: str | None = None
) -> Expression:
    """Reads an expression that gives one value; arguments and errors as in `parse_list`."""
    read = parse_list(text, where, groups, words, key)
    if isinstance(read, tuple):
        raise Source(clean(text), where).error(f"expected one number, got a list of {len(read)}; pick one with [index]")
    return read
