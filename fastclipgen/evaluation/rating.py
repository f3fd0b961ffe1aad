"""Pictures rated by texts and other pictures, as CLIPig's `rate.py` does: a table of similarities, sorted, summed up.

Knows neither CLIPs nor files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.evaluation.tables import csv_table, plain_table

_WIDEST = 24  # letters of a column's name on a terminal
_LONGEST = 60  # letters of a file's name there, of which the last say most


@dataclass(frozen=True, eq=False)
class Rating:
    """files: names of N pictures; columns: C texts, or names of pictures, that they are compared with; values: 100 *
    cosine, float64 [N, C]; clip: the name of the judge."""

    files: list[str]
    columns: list[str]
    values: Tensor
    clip: str

    def ordered(self, column: int) -> Rating:
        """The same, sorted by a column, from 1 on; a negative number puts the highest first. Equals keep their order.
        Raises UserError as `check_column`."""
        check_column(column, len(self.columns))
        order = self.values[:, abs(column) - 1].argsort(descending=column < 0, stable=True)
        return Rating([self.files[i] for i in order.tolist()], self.columns, self.values[order], self.clip)

    def summary(self) -> dict[str, list[float | None]]:
        """Of each column: count, mean, std (of a sample; None for one picture), min, quartiles, max."""
        quartiles = self.values.quantile(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64), dim=0)
        spread: list[float | None] = self.values.std(0).tolist() if len(self.files) > 1 else [None] * len(self.columns)
        least, first, middle, third, most = quartiles.tolist()
        return {
            "count": [len(self.files)] * len(self.columns), "mean": self.values.mean(0).tolist(), "std": spread,
            "min": least, "25%": first, "50%": middle, "75%": third, "max": most,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        rows = [{"file": file, "scores": row} for file, row in zip(self.files, self.values.tolist(), strict=True)]
        return {"clip": self.clip, "columns": self.columns, "files": rows, "summary": self.summary()}

    def csv(self) -> str:
        """A row for each file, without the summary."""
        rows = [
            [file, *(f"{value:.4f}" for value in row)]
            for file, row in zip(self.files, self.values.tolist(), strict=True)
        ]
        return csv_table(["file", *self.columns], rows)

    def table(self) -> str:
        """The rows and the summary, for a terminal."""
        head = [column if len(column) <= _WIDEST else f"{column[: _WIDEST - 3]}..." for column in self.columns]
        names = [file if len(file) <= _LONGEST else f"...{file[3 - _LONGEST :]}" for file in self.files]
        rows = [
            [name, *(f"{value:.2f}" for value in row)] for name, row in zip(names, self.values.tolist(), strict=True)
        ]
        last = [[name, *(_shown(name, value) for value in row)] for name, row in self.summary().items()]
        return f"{plain_table(['file', *head], rows)}\n\n{plain_table(['summary', *head], last)}"


def check_column(column: int, columns: int) -> None:
    """Raises UserError where rows of so many columns cannot be sorted by this one: 0, or beyond them."""
    if not 1 <= abs(column) <= columns:
        raise UserError(
            f"--sort takes the number of a column, 1 to {columns}, or its negative for the highest first, got {column}"
        )


def _shown(name: str, value: float | None) -> str:
    return "-" if value is None else str(value) if name == "count" else f"{value:.2f}"
