"""The options of one transform or constraint over a run: what is a tensor of the step, what a number of the host.

Knows nothing of what transforms and constraints do.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.experiments.tables import Column, LiveColumn, Now, Sheet
from fastclipgen.recipes.options import Option
from fastclipgen.recipes.values import Value


class Settled(NamedTuple):
    """Options at the epochs of one shape. plain: those that the host knows; columns: those that the step reads."""

    plain: Mapping[str, Any]
    columns: Mapping[str, Column | LiveColumn]

    def of_pictures(self, at: Now) -> dict[str, Any]:
        """As transforms take them: [B] or [B, count]. For values that depend on no similarity."""
        read = {name: column.read(at) for name, column in self.columns.items() if isinstance(column, Column)}
        return {**self.plain, **read}

    def of_frames(self, at: Now, similarity: Tensor) -> dict[str, Any]:
        """As constraints take them: [B, 1 or N] or [B, 1 or N, count]. similarity: [B, N], what `sim` is."""
        read = {
            name: column.read(at)[:, None] if isinstance(column, Column) else column.read(at, similarity)
            for name, column in self.columns.items()
        }
        return {**self.plain, **read}


class Bound:
    """The options of an item. Raises UserError where one cannot be computed, or is a size that depends on what only the
    step knows."""

    def __init__(
        self, options: Mapping[str, Option], values: Mapping[str, Value], sheet: Sheet, where: str, compat: bool
    ) -> None:
        self._plain: dict[str, Any] = {"compat": True} if compat else {}
        self._columns: dict[str, Column | LiveColumn] = {}
        self._words: dict[str, list[str]] = {}
        self._sizes: dict[str, Tensor] = {}  # [epochs, 1 or B] or [epochs, 1 or B, N]
        for name, option in options.items():
            value = values[name]
            if value.constant and (value.items[0] is None or value.kind is bool):
                self._plain[name] = value.plain
            elif option.table is not None:
                self._plain[name] = torch.tensor(_rows(option.table, value, where, name), device=sheet.device)
            elif value.kind is str:
                self._words[name] = value.texts(sheet.schedule)
            elif option.shape:
                if value.live:
                    raise UserError(
                        f"{where}: expected a '{name}' that is known before the run, got one that depends on a "
                        "similarity; leave 'sim' out of it"
                    )
                self._sizes[name] = value.over(sheet.schedule)
            else:
                self._columns[name] = sheet.put_any(value)

    @property
    def alike(self) -> bool:
        """Whether all pictures of the batch have the same sizes at every epoch."""
        return all(bool((table == table[:, :1]).all()) for table in self._sizes.values())

    def shape(self, epoch: int) -> Hashable:
        """What another program is needed for where it differs."""
        words = tuple(words[epoch] for words in self._words.values())
        return words, tuple(_host(table[epoch, 0]) for table in self._sizes.values())

    def at(self, epoch: int) -> Settled:
        """The options at this epoch and all others of its shape."""
        words = {name: words[epoch] for name, words in self._words.items()}
        sizes = {name: _host(table[epoch, 0]) for name, table in self._sizes.items()}
        return Settled({**self._plain, **words, **sizes}, self._columns)


def _rows(table: Callable[..., Any], value: Value, where: str, name: str) -> Any:
    try:
        return table([str(item) for item in value.items])
    except UserError as error:
        raise UserError(f"{where}: '{name}': {error}") from None


def _host(numbers: Tensor) -> Any:
    """A number, or a tuple of numbers, whole where they are whole."""
    found = numbers.tolist()
    if isinstance(found, Sequence):
        return tuple(_whole(number) for number in found)
    return _whole(found)


def _whole(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number
