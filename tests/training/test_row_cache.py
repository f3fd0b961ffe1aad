"""Rows computed once: in blocks, each row when it is missing only, whatever an earlier run left undone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclipgen.errors import UserError
from fastclipgen.training.row_cache import RowCache, complete, create

COLUMNS = {"squares": (np.int64, 2), "halves": (np.float16, 1)}
KEY: dict[str, Any] = {"of": "numbers", "rows": 10}


def values(rows: range) -> Mapping[str, np.ndarray]:
    numbers = np.array(rows)[:, None]
    return {"squares": numbers**2 + np.array([0, 1]), "halves": numbers / 2}


def filled(folder: Path, key: dict[str, Any], block: int = 4, fresh: bool = False) -> list[range]:
    """The rows that had to be made."""
    asked: list[range] = []

    def made(rows: range) -> Mapping[str, np.ndarray]:
        asked.append(rows)
        return values(rows)

    complete(folder, key, COLUMNS, made, block=block, what="rows", fresh=fresh, quiet=True)
    cache = RowCache(folder, ("squares", "halves"))
    assert len(cache) == key["rows"]
    assert cache["squares"].tolist() == [[n * n, n * n + 1] for n in range(len(cache))]
    assert cache["halves"][:, 0].tolist() == [n / 2 for n in range(len(cache))]
    return asked


def test_every_row_is_made_once(tmp_path: Path) -> None:
    assert filled(tmp_path, KEY) == [range(4), range(4, 8), range(8, 10)]
    assert filled(tmp_path, KEY) == []


def test_what_is_missing_is_made_and_nothing_else(tmp_path: Path) -> None:
    create(tmp_path, KEY, COLUMNS)
    cache = RowCache(tmp_path, tuple(COLUMNS))
    for rows in (range(4), range(8, 10)):
        cache.fill(slice(rows.start, rows.stop), values(rows))
    assert cache.missing().tolist() == [4, 5, 6, 7]
    assert filled(tmp_path, KEY) == [range(4, 8)]


def test_another_key_is_refused_and_made_again_when_asked(tmp_path: Path) -> None:
    filled(tmp_path, KEY)
    with pytest.raises(UserError, match=r"was made of another of, rows; .*--fresh"):
        filled(tmp_path, {"of": "others", "rows": 5})
    assert filled(tmp_path, {"of": "others", "rows": 5}, fresh=True) == [range(4), range(4, 5)]
