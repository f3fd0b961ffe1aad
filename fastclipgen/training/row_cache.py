"""What frozen models make of things, on disk: computed once, row by row, then read where it lies.

A folder with a file for each array, `done.npy` (which rows are there) and `key.json` (what they were made of). A row is
marked as done after it has reached the disk, so a process that is killed loses the rows in the making only. Knows
neither models nor what a row is of.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from tqdm import tqdm

from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import writing_errors
from fastclipgen.training import processes
from fastclipgen.training.files import replace_file

Columns = Mapping[str, tuple[DTypeLike, int]]  # of every array: what a number is, and how many there are in a row


class RowCache:
    """Arrays of `key["rows"]` rows, memory-mapped; several processes may write rows of their own at the same time.

    Made by `create` and `open`.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._arrays: dict[str, np.memmap] = {name: _mapped(folder, name) for name in names}
        self._done = _mapped(folder, "done")

    def __len__(self) -> int:
        return len(self._done)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def missing(self) -> np.ndarray:
        """The rows that are not there yet, int64, rising."""
        return np.flatnonzero(self._done == 0)

    def fill(self, rows: slice, values: Mapping[str, np.ndarray]) -> None:
        """Writes these rows of every array."""
        for name, array in self._arrays.items():
            array[rows] = values[name]
            array.flush()
        self._done[rows] = 1
        self._done.flush()


def create(folder: Path, key: dict[str, Any], columns: Columns) -> None:
    """An empty cache, in place of whatever the folder holds of one. Raises UserError where it cannot be written."""
    with writing_errors(folder):
        if folder.is_dir() and (folder / "key.json").exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        shapes = {name: (dtype, (key["rows"], width)) for name, (dtype, width) in columns.items()}
        for name, (dtype, shape) in {**shapes, "done": (np.uint8, (key["rows"],))}.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)  # zeros, and no disk is taken yet
    # last: a folder without it is no cache
    replace_file(folder / "key.json", lambda file: file.write(json.dumps(key, indent=1).encode()))


def exists(folder: Path, key: dict[str, Any]) -> bool:
    """Whether the folder holds the cache of this key, finished or not. Raises UserError for one of another key."""
    try:
        stored = json.loads((folder / "key.json").read_text())
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise UserError(f"the cache in '{folder}' cannot be read ({error}); give another --cache or --fresh") from error
    changed = sorted(name for name in stored.keys() | key.keys() if stored.get(name) != key.get(name))
    if changed:
        raise UserError(
            f"the cache in '{folder}' was made of another {', '.join(changed)}; give the same options, another "
            "--cache, or --fresh to make it again"
        )
    return True


def complete(
    folder: Path,
    key: dict[str, Any],
    columns: Columns,
    made: Callable[[range], Mapping[str, np.ndarray]],
    *,
    block: int,
    what: str,
    fresh: bool,
    quiet: bool,
) -> None:
    """Sees to it that the folder holds the cache of this key with every row; an earlier run's are kept.

    made: the arrays' values for so many rows, `block` or fewer that lie side by side; what: is counted, in a progress
    bar; fresh: a cache of another key is made again instead of refused. Several processes share the work. Raises
    UserError for a cache of something else, unless `fresh`, and where nothing can be written.
    """
    if processes.rank() == 0:
        try:
            there = exists(folder, key)
        except UserError:
            if not fresh:
                raise
            there = False
        if not there:
            create(folder, key, columns)
    processes.wait()
    cache = RowCache(folder, tuple(columns))
    blocks = np.array_split(np.unique(cache.missing() // block), processes.count())[processes.rank()]
    processes.wait()  # all of them have seen the same blocks missing
    silent = quiet or processes.rank() > 0 or not len(blocks)
    for number in tqdm(blocks.tolist(), desc=what, unit_scale=block, unit="rows", disable=silent):
        rows = range(number * block, min((number + 1) * block, len(cache)))
        cache.fill(slice(rows.start, rows.stop), made(rows))
    processes.wait()


def _mapped(folder: Path, name: str) -> np.memmap:
    array = np.load(folder / f"{name}.npy", mmap_mode="r+")
    assert isinstance(array, np.memmap)
    return array
