"""Rows of values as text: Markdown, CSV, and columns for a terminal. Knows nothing of what the values are."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

Rows = Sequence[Sequence[object]]


def markdown_table(head: Sequence[str], rows: Rows) -> str:
    """A table in Markdown, without a line break at its end."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def csv_table(head: Sequence[str], rows: Rows) -> str:
    """A table as CSV; None is an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def plain_table(head: Sequence[str], rows: Rows, widest: int = 60) -> str:
    """Columns for a terminal: numbers to the right, other texts to the left, cut after `widest` letters; no line break
    at the end."""
    shown = [[_cut(str(value), widest) for value in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    right = [all(_is_number(row[k]) for row in shown[1:]) and bool(rows) for k in range(len(head))]
    lines = []
    for row in shown:
        cells = [
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _cut(text: str, widest: int) -> str:
    return text if len(text) <= widest else text[: widest - 3] + "..."


def _is_number(text: str) -> bool:
    try:
        float(text.removesuffix("%"))
    except ValueError:
        return text in ("", "-")
    return True
