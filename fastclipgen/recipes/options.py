"""What a part of a recipe declares of each of its settings: what it takes, what it is by default, and what it means.

The reader, the JSON Schema and the reference pages are all made of these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastclipgen.recipes.conversion import Parameter
from fastclipgen.recipes.variables import LEARNRATE


class Required:
    """The default of an option that must be given."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = Required()


@dataclass(frozen=True)
class Option:
    """parameter: what it takes; default: as YAML would give it, or REQUIRED; help: one phrase, units included.

    shape: it decides how large tensors are, so a step gets it as whole numbers of the host instead of a tensor, and
    another value is another program (the run is cut where it changes). table: what its texts stand for, rows of equally
    many numbers, which a step gets instead as one float32 tensor; raises UserError.
    """

    parameter: Parameter
    default: Any
    help: str
    shape: bool = False
    table: Callable[[Sequence[str]], Sequence[Sequence[float]]] | None = None


def numbers(
    help: str,
    default: Any = REQUIRED,
    lengths: Iterable[int] = (),
    *,
    whole: bool = False,
    nullable: bool = False,
    shape: bool = False,
    groups: frozenset[str] = LEARNRATE,
) -> Option:
    """An option of one number (no `lengths`) or of a list of as many as `lengths` says; `whole`: whole numbers."""
    kind = int if whole else float
    return Option(Parameter((kind,), tuple(lengths), groups, nullable), default, help, shape)


def word(help: str, default: str, choices: Iterable[str]) -> Option:
    """An option that is one of some words."""
    return Option(Parameter((str,), choices=tuple(choices)), default, help)


def texts(
    help: str,
    default: Any = REQUIRED,
    lengths: Iterable[int] = (),
    *,
    table: Callable[[Sequence[str]], Sequence[Sequence[float]]],
) -> Option:
    """An option of as many texts as `lengths` says, ascending, that stand for a table of numbers."""
    return Option(Parameter((str,), tuple(lengths)), default, help, table=table)
