"""Who draws what: a worker claims a pack, shows from time to time that it is alive, and settles it.

A pack whose worker is gone is anybody's again. One that could not be drawn is tried again, then its items each alone,
so that one of them cannot take the others with it. Loads no torch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from fastclipgen.jobs.store import Finished, Store
from fastclipgen.jobs.workers import is_gone

LEASE = 120.0  # seconds without a sign of life, after which a worker on another machine counts as gone
_FREE = "SELECT id, grp, tries, deaths FROM packs WHERE open = 1 AND worker IS NULL"  # the condition of an index


class Stored(NamedTuple):
    """An item as it is stored. number: its place in the order of all items, from 1."""

    number: int
    prompt: str
    seed: int


class Pack(NamedTuple):
    """Items that are drawn together, in order. tries: how often it was begun, this time included."""

    id: int
    group: int
    items: list[Stored]
    tries: int


def claim(store: Store, worker: str, preferred: int | None, tries: int) -> Pack | None:
    """A pack that nobody draws, now this worker's; of the `preferred` group if there is one. One that was begun
    `tries` times, and each time its worker disappeared, is given up instead."""
    now = time.time()
    with store.change() as db:
        while True:
            taken = _next_pack(store, now, preferred)
            if taken is None:
                return None
            pack, group, begun = taken
            rows = store.all(
                "SELECT number, prompt, seed FROM items WHERE pack = ? AND state = 'waiting' ORDER BY number", pack
            )
            if begun < tries:
                break
            _give_up(store, pack, f"the process that drew it died, {begun} times")
        db.execute("UPDATE packs SET worker = ?, beat = ?, tries = tries + 1 WHERE id = ?", (worker, now, pack))
    return Pack(pack, group, [Stored(*row) for row in rows], begun + 1)


def forgive(store: Store) -> None:
    """What died before this command began says nothing about the packs: people end processes, machines go down."""
    with store.change():
        _free(store, time.time(), forgiven=True)


def _free(store: Store, now: float, forgiven: bool = False) -> None:
    """The packs of workers that are gone are anybody's."""
    for worker, beat in store.all("SELECT worker, max(beat) FROM packs WHERE worker IS NOT NULL GROUP BY worker"):
        if is_gone(worker, now - beat, LEASE):
            store.db.execute(
                "UPDATE packs SET worker = NULL, deaths = deaths + 1, tries = tries - ? WHERE worker = ?",
                (int(forgiven), worker),
            )


def _next_pack(store: Store, now: float, preferred: int | None) -> tuple[int, int, int] | None:
    """(id, group, tries) of an open pack that nobody alive draws; last those with which workers died."""
    _free(store, now)
    first = store.all(f"{_FREE} ORDER BY deaths, grp, id LIMIT 1")
    if not first:
        return None
    own = store.all(f"{_FREE} AND deaths = ? AND grp = ? ORDER BY id LIMIT 1", first[0][3], preferred)
    return (own or first)[0][:3]


def beat(store: Store, worker: str) -> None:
    """A sign of life."""
    store.db.execute("UPDATE packs SET beat = ? WHERE worker = ?", (time.time(), worker))


def settle(store: Store, pack: Pack, worker: str, finished: Sequence[Finished]) -> bool:
    """What became of a pack's items, and the pack is nobody's. False, and nothing is changed, where it was given to
    another worker meanwhile."""
    with store.change() as db:
        if not _mine(store, pack, worker):
            return False
        store.settle(finished)
        db.execute("UPDATE packs SET worker = NULL WHERE id = ?", (pack.id,))
    return True


def release(store: Store, worker: str, begun: bool = False) -> None:
    """The packs of a worker that stops are anybody's; as if they were never begun, unless `begun`."""
    with store.change() as db:
        db.execute("UPDATE packs SET worker = NULL, tries = tries - ? WHERE worker = ?", (0 if begun else 1, worker))


def failed(store: Store, pack: Pack, worker: str, error: str, tries: int) -> list[int]:
    """A pack could not be drawn. After `tries` times its items are tried each alone, as often, and then given up; gives
    the numbers of those that are."""
    with store.change() as db:
        if not _mine(store, pack, worker):
            return []
        db.execute("UPDATE packs SET worker = NULL WHERE id = ?", (pack.id,))
        return _give_up(store, pack.id, error) if pack.tries >= tries else []


def _give_up(store: Store, pack: int, error: str) -> list[int]:
    """The item of a pack fails, or its items become packs of one where they were several, as one of them may be to
    blame; gives the numbers of those that failed."""
    rows = store.all("SELECT number, grp FROM items WHERE pack = ? AND state = 'waiting' ORDER BY number", pack)
    store.db.execute("UPDATE packs SET open = 0 WHERE id = ?", (pack,))
    if len(rows) > 1:
        for number, group in rows:
            own = store.db.execute("INSERT INTO packs (grp) VALUES (?)", (group,)).lastrowid
            store.db.execute("UPDATE items SET pack = ? WHERE number = ?", (own, number))
        return []
    store.settle([Finished(number, error=error) for number, _ in rows])
    return [number for number, _ in rows]


def _mine(store: Store, pack: Pack, worker: str) -> bool:
    return store.all("SELECT worker FROM packs WHERE id = ?", pack.id) == [(worker,)]


def drop(store: Store, pack: Pack, worker: str) -> None:
    """Whoever drew a pack for this worker has died: it is anybody's, and last among those that wait."""
    with store.change() as db:
        if _mine(store, pack, worker):
            db.execute("UPDATE packs SET worker = NULL, deaths = deaths + 1 WHERE id = ?", (pack.id,))


def others(store: Store, worker: str) -> bool:
    """Whether anybody else draws a pack."""
    return bool(store.all("SELECT 1 FROM packs WHERE worker IS NOT NULL AND worker != ? AND open = 1 LIMIT 1", worker))
