"""What a batch is made of and how far it has come, in an SQLite file beside the pictures.

Items (pictures) belong to groups (settings); a group that somebody has looked at is divided into packs, which are drawn
together and always hold the same items in the same order, so that a pack that is begun again gives the same bytes.
Every change is one transaction: a kill at any moment leaves the state before it or after it. Who draws what is in
claims.py. Loads no torch.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.errors import UserError
from fastclipgen.jobs.items import Item, Refused

NAME = "batch.sqlite"
VERSION = 1
_WAIT = 60.0  # seconds for another process's transaction

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE groups (
  id INTEGER PRIMARY KEY, settings TEXT NOT NULL UNIQUE, decided TEXT, size INTEGER
);
CREATE TABLE packs (
  id INTEGER PRIMARY KEY, grp INTEGER NOT NULL REFERENCES groups, worker TEXT, beat REAL,
  tries INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE items (
  number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, grp INTEGER NOT NULL REFERENCES groups,
  pack INTEGER REFERENCES packs, line INTEGER NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', file TEXT, loss REAL, seconds REAL, finished REAL, error TEXT
);
CREATE TABLE refused (line INTEGER PRIMARY KEY, error TEXT NOT NULL);
CREATE INDEX items_by_pack ON items (pack);
CREATE INDEX items_by_state ON items (state, grp, pack);
CREATE INDEX packs_by_worker ON packs (worker);
"""


class Group(NamedTuple):
    """Settings, JSON: as they were asked for, and as a worker has decided what was left open (None: nobody has)."""

    id: int
    settings: str
    decided: str | None
    prompts: list[str]


class Store:
    """An open store, for one thread. Raises UserError for a file that is none."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            self.db = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            with self.change():
                if not self.all("SELECT 1 FROM sqlite_master WHERE name = 'facts'"):
                    for statement in _TABLES.split(";"):
                        self.db.execute(statement)
                    self.db.execute("INSERT INTO facts VALUES ('version', ?)", (str(VERSION),))
            version = self.fact("version")
        except sqlite3.DatabaseError as error:
            raise UserError(f"cannot use '{self.path}' ({error}); give another -o folder, or move that file") from None
        if version != str(VERSION):
            raise UserError(f"'{self.path}' is of another version ({version}, not {VERSION}); give another -o folder")

    def close(self) -> None:
        self.db.close()

    def fact(self, name: str, proposed: str | None = None) -> str | None:
        """A value that is the same for the whole life of the batch: the first that was proposed."""
        if proposed is not None:
            with self.change():
                self.db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, proposed))
        found = self.all("SELECT value FROM facts WHERE name = ?", name)
        return found[0][0] if found else None

    def add(self, items: Iterable[Item], refused: Iterable[Refused]) -> int:
        """Adds the items that are not there yet; gives their number. What was refused before is forgotten."""
        with self.change():
            before = self.total()
            groups = dict(self.all("SELECT settings, id FROM groups"))
            for item in items:
                if item.group not in groups:
                    cursor = self.db.execute("INSERT INTO groups (settings) VALUES (?)", (item.group,))
                    groups[item.group] = cursor.lastrowid
                self.db.execute(
                    "INSERT OR IGNORE INTO items (key, grp, line, prompt, seed) VALUES (?, ?, ?, ?, ?)",
                    (item.key, groups[item.group], item.line, item.prompt, item.seed),
                )
            added = self.total() - before
            self.db.execute("DELETE FROM refused")
            self.db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?)", refused)
        return added

    def undivided(self) -> Group | None:
        """A group with items that belong to no pack yet."""
        found = self.all("SELECT grp FROM items WHERE pack IS NULL AND state = 'waiting' ORDER BY number LIMIT 1")
        return self.group(found[0][0]) if found else None

    def group(self, number: int) -> Group:
        """A group with the prompts of all its items, done or not: what is drawn together must not depend on the day."""
        [(settings, decided)] = self.all("SELECT settings, decided FROM groups WHERE id = ?", number)
        prompts = self.all("SELECT prompt FROM items WHERE grp = ? ORDER BY number", number)
        return Group(number, settings, decided, [row[0] for row in prompts])

    def divide(self, group: int, decided: str, size: int) -> None:
        """Makes packs of up to `size` items of what belongs to none; what was decided and divided first stays."""
        with self.change():
            self.db.execute(
                "UPDATE groups SET decided = ?, size = ? WHERE id = ? AND decided IS NULL", (decided, size, group)
            )
            [(size,)] = self.all("SELECT size FROM groups WHERE id = ?", group)
            rows = self.all(
                "SELECT number FROM items WHERE grp = ? AND pack IS NULL AND state = 'waiting' ORDER BY number", group
            )
            for first in range(0, len(rows), size):
                pack = self.db.execute("INSERT INTO packs (grp) VALUES (?)", (group,)).lastrowid
                self.db.executemany(
                    "UPDATE items SET pack = ? WHERE number = ?", [(pack, n) for (n,) in rows[first : first + size]]
                )

    def fail_group(self, group: int, error: str) -> list[int]:
        """None of a group's items can be drawn; gives the numbers of those that waited."""
        now = time.time()
        with self.change():
            rows = self.all("SELECT number FROM items WHERE grp = ? AND state = 'waiting' ORDER BY number", group)
            self.db.executemany(
                "UPDATE items SET state = 'failed', error = ?, finished = ? WHERE number = ?",
                [(error, now, number) for (number,) in rows],
            )
        return [number for (number,) in rows]

    def try_failed_again(self) -> int:
        """Items that failed wait again, each in a pack of its own; gives their number."""
        with self.change():
            rows = self.all("SELECT number FROM items WHERE state = 'failed' ORDER BY number")
            self.db.execute(
                "UPDATE items SET state = 'waiting', error = NULL, finished = NULL, pack = NULL WHERE state = 'failed'"
            )
        return len(rows)

    def total(self) -> int:
        """How many items there are."""
        return self.all("SELECT count(*) FROM items")[0][0]

    def all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.db.execute(query, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees what it changes."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
