"""An expression of a similarity inside the step: on the device, in float32, without a wait for the host."""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.recipes.expressions import Expression
from fastclipgen.recipes.nodes import Node, compute, constant_tensor, reachable
from fastclipgen.recipes.variables import Schedule

_PROBE = 20.0  # a similarity as pictures have it


class Live:
    """Computes the expression from a similarity and a table of whatever does not depend on one, made ahead in float64.

    Raises UserError naming the first epoch where the expression is not finite for a similarity of 20.
    """

    def __init__(self, expression: Expression, schedule: Schedule, device: torch.device | str) -> None:
        probe = torch.full((schedule.epochs, 1), _PROBE, dtype=torch.float64)
        output = expression.output
        values = expression.computed(schedule, expression.nodes, [output], probe)[output].to(torch.float64)
        values = values.expand(schedule.epochs, values.shape[-1] if values.ndim else 1)
        expression.check(values, schedule, f" for a similarity of {_PROBE:g}")
        self._output, self._nodes = output, _live(expression.nodes)
        used = {output, *(arg for node in self._nodes for arg in node.args)} - set(self._nodes)
        self._constants = {node: constant_tensor(node, torch.float32, device) for node in used if node.constant}
        self._ahead = [node for node in expression.nodes if node in used and not node.constant]
        self.table = self._made_ahead(expression, schedule).to(device)
        """What is known ahead, float32 [1 or B, epochs, K]: a row for each picture where random numbers differ."""

    def _made_ahead(self, expression: Expression, schedule: Schedule) -> Tensor:
        known = expression.computed(schedule, reachable(self._ahead, expression.nodes), self._ahead)
        columns = [known[node].to(torch.float32) for node in self._ahead]
        width = max((column.shape[-1] for column in columns), default=1)
        table = torch.empty(width, schedule.epochs, len(columns))
        for place, column in enumerate(columns):
            table[..., place] = column.T
        return table

    def __call__(self, epoch: Tensor, similarity: Tensor, table: Tensor | None = None) -> Tensor:
        """float32 in the shape of `similarity`; 0 where the result is not finite, so that no picture is lost by it.

        epoch: integer [1] on the device. similarity: [B, ...], -100..100. table: those rows of `self.table` that are of
        these pictures (None: all of them).
        """
        row = (self.table if table is None else table).index_select(1, epoch)[:, 0]  # [1 or B, K]
        known = dict(self._constants)
        for place, node in enumerate(self._ahead):
            column = row[:, place].reshape(-1, *(1,) * (similarity.ndim - 1))  # [1 or B, 1, ...]
            known[node] = column != 0 if node.kind == "bool" else column
        similarity = similarity.to(torch.float32)
        value = compute(self._nodes, [self._output], lambda _: similarity, torch.float32, known)[self._output]
        value = value.to(torch.float32).expand_as(similarity)
        return torch.where(torch.isfinite(value), value, 0.0)


def _live(nodes: tuple[Node, ...]) -> list[Node]:
    """Those of the nodes that depend on a similarity, in order."""
    found: dict[Node, None] = {}
    for node in nodes:
        if node.name == "similarity" or any(arg in found for arg in node.args):
            found[node] = None
    return list(found)
