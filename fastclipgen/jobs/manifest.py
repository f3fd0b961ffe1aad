"""manifest.jsonl: a line for each item that is settled, in the order in which they were. Loads no torch.

The store is what counts. Lines are added as items are settled; what a kill kept from being written is made up for when
the next run begins and ends, from the store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from fastclipgen.jobs.store import Store
from fastclipgen.outputs.atomic import replace_file, writing_errors

NAME = "manifest.jsonl"
_LOCK = ".manifest.lock"
_COLUMNS = ("number", "line", "prompt", "seed", "state", "file", "loss", "seconds", "error")


def rewrite(folder: Path, store: Store) -> None:
    """The manifest anew from the store. Raises UserError where it cannot be written."""
    with writing_errors(folder / NAME), FileLock(folder / _LOCK):
        lines = [_line(row) for row in store.settled(_COLUMNS)]
        replace_file(folder / NAME, lambda file: file.write("".join(lines).encode()))


def append(folder: Path, store: Store, numbers: Sequence[int]) -> None:
    """Lines for these items. Raises UserError where they cannot be written."""
    with writing_errors(folder / NAME), FileLock(folder / _LOCK), open(folder / NAME, "ab") as file:
        file.write("".join(_line(row) for row in _rows(store, numbers)).encode())
        file.flush()
        os.fsync(file.fileno())


def _rows(store: Store, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
    names = ", ".join(_COLUMNS)
    return [row for n in numbers for row in store.all(f"SELECT {names} FROM items WHERE number = ?", n)]


def _line(row: tuple[Any, ...]) -> str:
    return json.dumps({name: value for name, value in zip(_COLUMNS, row, strict=True) if value is not None}) + "\n"
