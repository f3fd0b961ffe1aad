"""The value grammar of CLIPig's parameters: a constant, a schedule over the epochs, or a step on the device.

A parameter is one value or a list of N; a text is split into a list by commas, else by blanks, and a single value is
repeated. Commas and blanks within brackets do not split; a text whose parts do not fit may be one expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.recipes.conversion import Item, Parameter, convert
from fastclipgen.recipes.expressions import Expression
from fastclipgen.recipes.live import Live
from fastclipgen.recipes.variables import Schedule

_ENOUGH = 100  # parts that show what was meant


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

    def on_device(self, schedule: Schedule, device: torch.device | str) -> LiveValue:
        """For the step. Raises UserError as `Live` does."""
        parts = [Live(item, schedule, device) if isinstance(item, Expression) else _number(item) for item in self.items]
        return LiveValue(tuple(parts), self.kind, self.single)


@dataclass(frozen=True, eq=False)
class LiveValue:
    """A value that depends on a similarity, as the step computes it (see `Live`)."""

    parts: tuple[Live | float, ...]
    kind: type
    single: bool

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """What is known ahead, float32 [1 or B, epochs, K] for each part that is an expression."""
        return tuple(part.table for part in self.parts if isinstance(part, Live))

    def __call__(self, epoch: Tensor, similarity: Tensor, tables: Sequence[Tensor] | None = None) -> Tensor:
        """(epoch [1], similarity [B, ...]) -> float32 [B, ..., N], or [B, ...] for a single value.

        tables: the rows of `self.tables` that are of these pictures (None: all of them).
        """
        left = iter(self.tables if tables is None else tables)
        columns = [
            _cast(part(epoch, similarity, next(left)), self.kind)
            if isinstance(part, Live)
            else torch.full_like(similarity, part, dtype=torch.float32)
            for part in self.parts
        ]
        return columns[0] if self.single else torch.stack(columns, dim=-1)


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
    if len(parts) < 2:
        return _fitted(parameter, parts, where, key)
    if len(parts) in parameter.lengths:
        with suppress(UserError):
            return _fitted(parameter, parts, where, key)
    try:
        return _fitted(parameter, [raw], where, key)
    except UserError as whole:
        if len(parts) in parameter.lengths or _fits_apart(parameter, parts, where, key):
            return _fitted(parameter, parts, where, key)  # raises what is wrong with the list
        raise whole from None


def _fits_apart(parameter: Parameter, parts: list[str], where: str, key: str) -> bool:
    """Whether the parts are items, though they are too many or too few: then a list was meant."""
    try:
        return all(not isinstance(convert(parameter, part, where, key), tuple) for part in parts[:_ENOUGH])
    except UserError:
        return False


def _fitted(parameter: Parameter, parts: list[Any], where: str, key: str) -> tuple[Item, ...]:
    """The parts as items, repeated if there is one. Raises UserError for a wrong number, before the items are read."""
    if len(parts) > 1:
        _check_length(parameter, len(parts), where)
    items: list[Item] = []
    for place, part in enumerate(parts):
        at = f"[{place}]" if len(parts) > 1 else ""
        item = convert(parameter, part, where + at, key + at)
        if isinstance(item, tuple) and len(parts) > 1:
            raise UserError(f"{where}{at}: expected {parameter.expected}, got a list of {len(item)} from '{part}'")
        items += item if isinstance(item, tuple) else (item,)
    if len(items) == 1:
        items *= parameter.lengths[0]
    _check_length(parameter, len(items), where)
    return tuple(items)


def _check_length(parameter: Parameter, length: int, where: str) -> None:
    if length not in parameter.lengths:
        wanted = " or ".join(map(str, sorted({1, *parameter.lengths})))
        raise UserError(f"{where}: expected a list of length {wanted}, got {length}")


def split(text: str) -> list[str]:
    """The parts of a list written as a text: between commas if there are any outside brackets, else between blanks."""
    depth, quote = 0, ""
    commas: list[int] = []
    blanks: list[int] = []
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth <= 0 and character == ",":
            commas.append(place)
        elif depth <= 0 and character.isspace():
            blanks.append(place)
    ends = commas or blanks
    parts = [text[begin:end] for begin, end in zip([0, *(at + 1 for at in ends)], [*ends, len(text)], strict=True)]
    return [part.strip() for part in parts] if commas else [part for part in parts if part]
