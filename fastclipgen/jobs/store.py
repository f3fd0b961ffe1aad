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

from filelock import FileLock

from fastclipgen.errors import UserError
from fastclipgen.jobs.items import Item, Refused
from fastclipgen.jobs.tables import VERSION, prepare

NAME = "batch.sqlite"
_LOCK = ".batch.lock"
_WAIT = 60.0  # seconds for another process's transaction


class Group(NamedTuple):
    """Settings, JSON: as they were asked for, and as a worker has decided what was left open (None: nobody has)."""

    id: int
    settings: str
    decided: str | None
    prompts: list[str]


class Finished(NamedTuple):
    """What became of an item: its file's name, or an error."""

    number: int
    file: str | None = None
    loss: float | None = None
    seconds: float | None = None
    error: str | None = None


class Store:
    """An open store, for one thread. Raises UserError for a file that is none."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            # SQLite does not wait where two processes switch a new file to WAL, or one does while another reads
            with FileLock(folder / _LOCK, timeout=_WAIT):
                self.db = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
                self.db.execute("PRAGMA journal_mode=WAL")
                self.db.execute("PRAGMA synchronous=FULL")
                with self.change():
                    version = prepare(self.db)
        except (sqlite3.DatabaseError, OSError) as error:
            raise UserError(f"cannot use '{self.path}' ({error}); give another -o folder, or move that file") from None
        if version != VERSION:
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
        with self.change():
            rows = self.all("SELECT number FROM items WHERE grp = ? AND state = 'waiting' ORDER BY number", group)
            self.settle([Finished(number, error=error) for (number,) in rows])
        return [number for (number,) in rows]

    def settle(self, finished: Iterable[Finished]) -> None:
        """Inside a transaction: items are done or failed, each with a number that is larger than all before, in the
        order in which anybody can see them; a pack with no other item is closed."""
        now, last = time.time(), self.last_settled()
        self.db.executemany(
            "UPDATE items SET state = ?, file = ?, loss = ?, seconds = ?, finished = ?, error = ?, settled = ?"
            " WHERE number = ?",
            [
                ("done" if f.error is None else "failed", f.file, f.loss, f.seconds, now, f.error, settled, f.number)
                for settled, f in enumerate(finished, last + 1)
            ],
        )
        self.db.executemany(
            "UPDATE packs SET open = 0 WHERE id = (SELECT pack FROM items WHERE number = ?) AND NOT EXISTS"
            " (SELECT 1 FROM items WHERE pack = packs.id AND state = 'waiting')",
            [(f.number,) for f in finished],
        )

    def last_settled(self) -> int:
        """The largest number that an item got when it was settled; 0 before the first."""
        return self.all("SELECT coalesce(max(settled), 0) FROM items")[0][0]

    def settled(self, columns: Iterable[str], after: int = 0) -> list[tuple[Any, ...]]:
        """These columns of the items that were settled after the one with that number, in the order in which they
        were; only those are read."""
        return self.all(
            f"SELECT {', '.join(columns)} FROM items WHERE settled > ? AND state != 'waiting' ORDER BY settled", after
        )

    def try_failed_again(self) -> int:
        """Items that failed wait again, each in a pack of its own; gives their number."""
        with self.change():
            rows = self.all("SELECT number FROM items WHERE state = 'failed' ORDER BY number")
            # the number under which an item was settled stays, so that no other one gets it again
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
