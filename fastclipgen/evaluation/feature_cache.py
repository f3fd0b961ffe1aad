"""Features of pictures on disk, by what made them and by a digest of the picture's content.

One SQLite file: a batch of rows is there as a whole or not at all, and several processes may read and write at the same
time. Knows neither pictures nor networks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from fastclipgen.caches import cache_of
from fastclipgen.errors import UserError

_WAIT = 60.0  # seconds for another process to finish its batch
_TABLE = """CREATE TABLE IF NOT EXISTS features
    (maker TEXT, picture TEXT, row BLOB, PRIMARY KEY (maker, picture)) WITHOUT ROWID"""


def default_file() -> Path:
    """Where features are kept unless another file is named."""
    return cache_of("features") / "features.sqlite3"


class FeatureCache:
    """Features float32 [D] by the key of an extractor and the digest of a picture. May be used by several threads.

    Raises UserError, also of its methods, where the file cannot be read or written or is no such cache.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or default_file()
        self._lock = Lock()
        with self._errors():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as first:
                first.execute(_TABLE)
            self._connection = self._connect()

    def get(self, makers: list[str], picture: str) -> dict[str, Tensor]:
        """The features of a picture that are here, by the keys of the extractors that made them."""
        marks = ", ".join("?" * len(makers))
        with self._errors(), self._lock:
            rows = self._connection.execute(
                f"SELECT maker, row FROM features WHERE picture = ? AND maker IN ({marks})", (picture, *makers)
            ).fetchall()
        return {maker: torch.from_numpy(np.frombuffer(row, np.float32).copy()) for maker, row in rows}

    def put(self, maker: str, rows: Mapping[str, Tensor]) -> None:
        """Keeps features [D] by the digests of their pictures; what is there already is replaced by the same."""
        values = [(maker, picture, row.float().numpy().tobytes()) for picture, row in rows.items()]
        with self._errors(), self._lock, self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", values)

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=_WAIT, check_same_thread=False)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise UserError(
                f"the cache of features '{self.file}' cannot be used ({error}); remove the file, or leave --cache out"
            ) from error
