"""The runs of a server and the pictures they have made, in an SQLite file beside the pictures.

Every change is one transaction, on the disk before it is answered: a kill at any moment leaves the state before it or
after it. One server has the file at a time (`Store` takes a lock); its threads share one connection. Loads no torch.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from filelock import FileLock, Timeout

from fastclipgen.errors import UserError

NAME = "serve.sqlite"
VERSION = 1
TRIES = 3  # deaths of the server under a run, after which the run is held to be the cause

State = Literal["queued", "running", "paused", "done", "cancelled", "failed"]
OVER: tuple[State, ...] = ("done", "cancelled", "failed")
STATES: tuple[State, ...] = get_args(State)

_TABLES = """
CREATE TABLE runs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL, title TEXT NOT NULL,
  settings TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL, error TEXT,
  tries INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE pictures (
  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, idx INTEGER NOT NULL, file TEXT NOT NULL,
  facts TEXT NOT NULL, PRIMARY KEY (run, idx)
);
CREATE INDEX runs_by_state ON runs (state, number);
CREATE INDEX runs_by_client ON runs (client, started);
"""
_COLUMNS = "number, id, client, title, settings, state, created, started, finished, error"


class Row(NamedTuple):
    """A run. settings: JSON, as asked for, with the seed that was drawn for it; times in seconds since 1970."""

    number: int
    id: str
    client: str
    title: str
    settings: str
    state: State
    created: float
    started: float | None
    finished: float | None
    error: str | None


class Kept(NamedTuple):
    """A picture of a run. file: relative to the server's folder; facts: JSON, what is told of it."""

    index: int
    file: str
    facts: str


class Store:
    """Raises UserError for a file that is none, and where another server has it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._turn = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(f"{self.path}.lock", thread_local=False)  # any thread may end the server
            self._lock.acquire(timeout=0)
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
            [(version,)] = self._all("PRAGMA user_version")
            if version == 0:
                self._db.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={VERSION};COMMIT;")
        except Timeout:
            raise UserError(f"another server has the folder '{folder}'; give another -o, or stop that server") from None
        except (OSError, sqlite3.DatabaseError) as error:
            raise UserError(f"cannot use '{self.path}' ({error}); give another -o folder") from None
        if version not in (0, VERSION):
            raise UserError(f"'{self.path}' is of another version ({version}, not {VERSION}); give another -o folder")

    def close(self) -> None:
        with self._turn:
            self._db.close()
            self._lock.release()

    def recover(self) -> list[Row]:
        """After a server that was killed: runs it was drawing wait again; those under which it died `TRIES` times have
        failed. Gives the runs that failed."""
        with self.change():
            found = self._rows("WHERE state = 'running' AND tries >= ?", TRIES)
            sentence = f"the server died {TRIES} times while it drew this run; ask for a smaller one"
            for row in found:
                self._db.execute("UPDATE runs SET state = 'failed', error = ? WHERE number = ?", (sentence, row.number))
            self._db.execute("UPDATE runs SET state = 'queued', started = NULL WHERE state = 'running'")
        return found

    def add(self, run: str, client: str, title: str, settings: str, now: float) -> Row:
        with self.change():
            self._db.execute(
                "INSERT INTO runs (id, client, title, settings, state, created) VALUES (?, ?, ?, ?, 'queued', ?)",
                (run, client, title, settings, now),
            )
            return self._rows("WHERE id = ?", run)[0]

    def find(self, run: str) -> Row | None:
        found = self._rows("WHERE id = ?", run)
        return found[0] if found else None

    def waiting(self) -> list[Row]:
        """Runs that wait for their turn, in the order in which they came."""
        return self._rows("WHERE state = 'queued' ORDER BY number")

    def held(self, client: str | None = None) -> int:
        """How many runs wait or are paused; of one client, if given."""
        whose, values = ("AND client = ?", [client]) if client is not None else ("", [])
        return self._all(f"SELECT count(*) FROM runs WHERE state IN ('queued', 'paused') {whose}", *values)[0][0]

    def served(self) -> dict[str, float]:
        """When each client's run last began."""
        return dict(self._all("SELECT client, max(started) FROM runs WHERE started IS NOT NULL GROUP BY client"))

    def page(self, state: State | None, client: str | None, before: int | None, limit: int) -> list[Row]:
        """The newest runs with a number below `before`."""
        return self._rows(
            "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR client = ?2) AND (?3 IS NULL OR number < ?3) "
            "ORDER BY number DESC LIMIT ?4",
            state, client, before, limit,
        )  # fmt: skip

    def change_settings(self, number: int, settings: str) -> None:
        """In the middle of a run."""
        with self.change():
            self._db.execute("UPDATE runs SET settings = ? WHERE number = ?", (settings, number))

    def begin(self, number: int, now: float) -> None:
        with self.change():
            self._db.execute(
                "UPDATE runs SET state = 'running', started = ?, tries = tries + 1 WHERE number = ?", (now, number)
            )

    def move(self, number: int, state: State) -> None:
        """To a state that is not the last one. A run that goes back to wait has killed nobody."""
        with self.change():
            self._db.execute("UPDATE runs SET state = ?, tries = 0 WHERE number = ?", (state, number))

    def end(self, number: int, state: State, now: float, error: str | None = None) -> None:
        with self.change():
            self._db.execute(
                "UPDATE runs SET state = ?, finished = ?, error = ? WHERE number = ?", (state, now, error, number)
            )

    def keep(self, number: int, pictures: list[Kept]) -> None:
        with self.change():
            self._db.executemany(
                "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", [(number, *p) for p in pictures]
            )

    def pictures(self, number: int) -> list[Kept]:
        return [
            Kept(*row) for row in self._all("SELECT idx, file, facts FROM pictures WHERE run = ? ORDER BY idx", number)
        ]

    def remove(self, number: int) -> None:
        with self.change():
            self._db.execute("DELETE FROM runs WHERE number = ?", (number,))

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction; within it no other thread reads or writes. May be nested."""
        with self._turn:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, rest: str, *values: Any) -> list[Row]:
        return [Row(*row) for row in self._all(f"SELECT {_COLUMNS} FROM runs {rest}", *values)]

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._turn:
            return self._db.execute(query, values).fetchall()
