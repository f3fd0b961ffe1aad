"""The value grammar of CLIPig's parameters: a constant, a schedule over the epochs, or a step on the device.

A parameter is one value or a list of N; a text is split into a list by commas, else by blanks, and a single value is
repeated. Commas and blanks within brackets do not split; a text whose parts do not fit may be one expression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.recipes.conversion import Item, Parameter, convert
from fastclipgen.recipes.expressions import Expression
from fastclipgen.recipes.live import Live
from fastclipgen.recipes.variables import Schedule


class _WrongLength(UserError):
    """Every item fits, but not their number."""


@dataclass(frozen=True, eq=False)
class Value:
    """What a parameter was given: its items are constants or expressions. `kind`: what expressions are cast to."""

    items: tuple[Item | None, ...]
    kind: type
    single: bool  # one value, not a list

    @property
    def constant(self) -> bool:
        return not any(isinstance(item, Expression) for item in self.items)

    @property
    def live(self) -> bool:
        """Depends on a similarity, so it is known in the step only (`on_device`)."""
        return any(isinstance(item, Expression) and item.live for item in self.items)

    @property
    def plain(self) -> Any:
        """The constant: one value, or a tuple for a list. Only where `constant`."""
        return self.items[0] if self.single else self.items

    def over(self, schedule: Schedule) -> Tensor:
        """The numbers at every epoch: float64 [epochs, 1 or B, N], or [epochs, 1 or B] for a single value.

        Whole numbers are cut off, truth values 0 or 1. Not for texts, null, or where `live`.
        Raises UserError naming the first epoch where an expression is not finite.
        """
        columns = [
            _cast(item.over(schedule), self.kind)
            if isinstance(item, Expression)
            else torch.full((schedule.epochs, 1), _number(item), dtype=torch.float64)
            for item in self.items
        ]
        table = torch.stack(torch.broadcast_tensors(*columns), dim=-1)
        return table[..., 0] if self.single else table

    def texts(self, schedule: Schedule) -> list[str]:
        """The text of a single value of type str at every epoch; the first picture's, where random numbers choose."""
        item = self.items[0]
        if isinstance(item, Expression):
            return [item.texts[int(place)] for place in item.over(schedule)[:, 0].tolist()]
        return [str(item)] * schedule.epochs

    def on_device(self, schedule: Schedule, device: torch.device | str) -> Callable[[Tensor, Tensor], Tensor]:
        """For the step: (epoch [1], similarity [B, ...]) -> float32 [B, ..., N], or [B, ...] for a single value.

        See `Live`. Raises UserError as it does.
        """
        parts = [Live(item, schedule, device) if isinstance(item, Expression) else _number(item) for item in self.items]

        def step(epoch: Tensor, similarity: Tensor) -> Tensor:
            columns = [
                _cast(part(epoch, similarity), self.kind)
                if isinstance(part, Live)
                else torch.full_like(similarity, part, dtype=torch.float32)
                for part in parts
            ]
            return columns[0] if self.single else torch.stack(columns, dim=-1)

        return step


def _number(item: Item | None) -> float:
    if not isinstance(item, int | float):
        raise TypeError(f"{item!r} is no number")
    return float(item)


def _cast(values: Tensor, kind: type) -> Tensor:
    if kind is bool:
        return (values != 0).to(values.dtype)
    return torch.trunc(values) if kind is int else values


def read(parameter: Parameter, raw: Any, where: str, key: str | None = None) -> Value:
    """Reads what YAML gave for a parameter.

    where: file, line and key path, for errors. key: what random numbers are drawn for, such as the key path alone
    (default: `where`). Raises UserError, with what was expected, for whatever does not fit.
    """
    kind, key = parameter.types[0], where if key is None else key
    if raw is None and parameter.nullable:
        return Value((None,), kind, single=True)
    if parameter.lengths:
        return Value(_sequence(parameter, raw, where, key), kind, single=False)
    item = convert(parameter, raw, where, key)
    if isinstance(item, tuple):
        raise UserError(f"{where}: expected {parameter.expected}, got a list of {len(item)} from '{raw}'")
    return Value((item,), kind, single=True)


def _sequence(parameter: Parameter, raw: Any, where: str, key: str) -> tuple[Item, ...]:
    if not isinstance(raw, str):
        return _fitted(parameter, raw if isinstance(raw, list) else [raw], where, key)
    parts = split(raw)
    try:
        return _fitted(parameter, parts, where, key)
    except UserError as apart:
        if len(parts) < 2:
            raise
        try:
            return _fitted(parameter, [raw], where, key)
        except UserError as whole:
            meant_apart = isinstance(apart, _WrongLength) or len(parts) in parameter.lengths
            raise (apart if meant_apart else whole) from None


def _fitted(parameter: Parameter, parts: list[Any], where: str, key: str) -> tuple[Item, ...]:
    """The parts as items, repeated if there is one."""
    items: list[Item] = []
    for place, part in enumerate(parts):
        at = f"[{place}]" if len(parts) > 1 else ""
        item = convert(parameter, part, where + at, key + at)
        if isinstance(item, tuple) and len(parts) > 1:
            raise UserError(f"{where}{at}: expected {parameter.expected}, got a list of {len(item)} from '{part}'")
        items += item if isinstance(item, tuple) else (item,)
    if len(items) == 1:
        items *= parameter.lengths[0]
    if len(items) not in parameter.lengths:
        wanted = " or ".join(map(str, sorted({1, *parameter.lengths})))
        raise _WrongLength(f"{where}: expected a list of length {wanted}, got {len(items)}")
    return tuple(items)


def split(text: str) -> list[str]:
    """The parts of a list written as a text: between commas if there are any outside brackets, else between blanks."""
    depth, quote = 0, ""
    commas: list[str] = [""]
    blanks: list[str] = [""]
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        outside = depth <= 0 and not quote
        for parts, ends in ((commas, character == ","), (blanks, character.isspace())):
            if outside and ends:
                parts.append("")
            else:
                parts[-1] += character
    return [part.strip() for part in commas] if len(commas) > 1 else [part for part in blanks if part]
