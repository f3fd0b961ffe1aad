"""What a frozen VQGAN and a frozen CLIP make of pictures, on disk: computed once, then read where it lies.

A folder with `tokens.npy`, `embeddings.npy`, `done.npy` (which rows are there) and `key.json` (what they were made of).
A row is marked as done after it has reached the disk, so a process that is killed loses the rows in the making only.
Knows neither VQGANs nor CLIPs nor pictures.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import replace_file, writing_errors

_LAYOUT = 1  # of the files; another number is another cache


class TokenCache:
    """`tokens` [N, L], unsigned, and `embeddings` float16 [N, E], memory-mapped.

    Made by `create` and `open`; several processes may write rows of their own into one cache at the same time.
    """

    def __init__(self, folder: Path) -> None:
        self.tokens: np.ndarray = np.load(folder / "tokens.npy", mmap_mode="r+")
        self.embeddings: np.ndarray = np.load(folder / "embeddings.npy", mmap_mode="r+")
        self._done: np.ndarray = np.load(folder / "done.npy", mmap_mode="r+")

    def __len__(self) -> int:
        return len(self.tokens)

    def missing(self) -> np.ndarray:
        """The rows that are not there yet, int64, rising."""
        return np.flatnonzero(self._done == 0)

    def write(self, rows: slice, tokens: np.ndarray, embeddings: np.ndarray) -> None:
        """Fills rows with tokens [n, L] and embeddings [n, E]."""
        self.tokens[rows] = tokens
        self.embeddings[rows] = embeddings
        for array in (self.tokens, self.embeddings):
            assert isinstance(array, np.memmap)
            array.flush()
        self._done[rows] = 1
        assert isinstance(self._done, np.memmap)
        self._done.flush()


def key_of(made_of: dict[str, Any], rows: int, length: int, vocabulary: int, width: int) -> dict[str, Any]:
    """The key of a cache of `rows` pictures: what they are made of, and the shapes."""
    shapes = {"layout": _LAYOUT, "rows": rows, "tokens": length, "vocabulary": vocabulary, "embedding": width}
    return {**made_of, **shapes}


def create(folder: Path, key: dict[str, Any]) -> None:
    """An empty cache, in place of whatever the folder holds of one. Raises UserError where it cannot be written."""
    with writing_errors(folder):
        if folder.is_dir() and (folder / "key.json").exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        token = np.uint16 if key["vocabulary"] <= 1 << 16 else np.uint32
        shapes = {
            "tokens": (token, (key["rows"], key["tokens"])),
            "embeddings": (np.float16, (key["rows"], key["embedding"])),
            "done": (np.uint8, (key["rows"],)),
        }
        for name, (dtype, shape) in shapes.items():
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
