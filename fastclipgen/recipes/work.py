"""How much the expressions of one file may ask of whoever reads them, so that any file is read within a second.

Each expression has bounds of its own (syntax.py, nodes.py); this one is of all of them together. A unit is a step of
the translation, about 10 microseconds: a part of the syntax tree, or an operation of the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fastclipgen.recipes.syntax import Misfit

MAX_WORK = 40_000
_spent: ContextVar[list[int] | None] = ContextVar("spent", default=None)


@contextmanager
def bounded() -> Iterator[None]:
    """Within it, expressions of more than `MAX_WORK` units in all are refused; outside nothing is counted."""
    token = _spent.set([0])
    try:
        yield
    finally:
        _spent.reset(token)


def spend(units: int) -> None:
    """Counts some work. Raises Misfit where it was too much."""
    spent = _spent.get()
    if spent is None:
        return
    spent[0] += units
    if spent[0] > MAX_WORK:
        raise Misfit(
            f"expected at most {MAX_WORK:,} operations in the expressions of a file; use fewer or shorter ones"
        )
