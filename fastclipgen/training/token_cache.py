"""What a frozen VQGAN and a frozen CLIP make of pictures, kept as row_cache keeps it: tokens and embeddings.

Knows neither VQGANs nor CLIPs nor pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastclipgen.training import row_cache
from fastclipgen.training.row_cache import Columns, RowCache, exists

__all__ = ["TokenCache", "columns_of", "create", "exists", "key_of"]

_LAYOUT = 1  # of the files; another number is another cache


class TokenCache(RowCache):
    """`tokens` [N, L], unsigned, and `embeddings` float16 [N, E], memory-mapped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ("tokens", "embeddings"))
        self.tokens, self.embeddings = self["tokens"], self["embeddings"]

    def write(self, rows: slice, tokens: np.ndarray, embeddings: np.ndarray) -> None:
        """Fills rows with tokens [n, L] and embeddings [n, E]."""
        self.fill(rows, {"tokens": tokens, "embeddings": embeddings})


def key_of(made_of: dict[str, Any], rows: int, length: int, vocabulary: int, width: int) -> dict[str, Any]:
    """The key of a cache of `rows` pictures: what they are made of, and the shapes."""
    shapes = {"layout": _LAYOUT, "rows": rows, "tokens": length, "vocabulary": vocabulary, "embedding": width}
    return {**made_of, **shapes}


def columns_of(key: dict[str, Any]) -> Columns:
    """The arrays of a cache of this key."""
    token = np.uint16 if key["vocabulary"] <= 1 << 16 else np.uint32
    return {"tokens": (token, key["tokens"]), "embeddings": (np.float16, key["embedding"])}


def create(folder: Path, key: dict[str, Any]) -> None:
    """An empty cache, in place of whatever the folder holds of one. Raises UserError where it cannot be written."""
    row_cache.create(folder, key, columns_of(key))
