"""How far a batch has come: numbers out of its store. Loads no torch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.errors import UserError
from fastclipgen.jobs.claims import LEASE
from fastclipgen.jobs.store import NAME, Store
from fastclipgen.jobs.workers import is_gone

RECENT = 600.0  # seconds over which the speed is taken
_SHOWN = 5  # of the newest failures


class Status(NamedTuple):
    """Counts of items, of rows that cannot be drawn, of workers that are alive; the speed of the last ten minutes in
    pictures a minute and the seconds that are left at it (None: nothing was drawn lately); the newest failures."""

    total: int
    done: int
    failed: int
    drawing: int
    waiting: int
    refused: int
    workers: int
    per_minute: float | None
    seconds_left: float | None
    failures: list[tuple[int, str]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self._asdict()

    def lines(self) -> list[str]:
        """For people."""
        speed = "nothing was drawn in the last ten minutes"
        if self.per_minute is not None:
            speed = f"{self.per_minute:.1f} pictures a minute"
            if self.seconds_left:
                speed += f", {duration(self.seconds_left)} left"
        lines = [
            f"{self.done} of {self.total} pictures are done, {self.failed} failed, {self.drawing} are being drawn by "
            f"{self.workers} {'process' if self.workers == 1 else 'processes'}, {self.waiting} wait",
            speed,
        ]
        if self.refused:
            lines.append(f"{self.refused} rows cannot be drawn")
        return lines + [f"failed: picture {number}: {error}" for number, error in self.failures]


def read_status(folder: Path, now: float | None = None) -> Status:
    """Raises UserError where no batch was begun in the folder."""
    if not (folder / NAME).is_file():
        raise UserError(f"there is no batch in '{folder}' (no {NAME}); give the -o folder of one")
    now = time.time() if now is None else now
    store = Store(folder)
    try:
        count = dict(store.all("SELECT state, count(*) FROM items GROUP BY state"))
        claimed = store.all(
            "SELECT worker, max(beat), sum((SELECT count(*) FROM items WHERE pack = packs.id AND state = 'waiting'))"
            " FROM packs WHERE worker IS NOT NULL GROUP BY worker"
        )
        alive = [row for row in claimed if not is_gone(row[0], now - row[1], LEASE)]
        [(recent, first)] = store.all(
            "SELECT count(*), min(finished - seconds) FROM items WHERE state = 'done' AND finished > ?", now - RECENT
        )
        failures = store.all(
            "SELECT number, error FROM items WHERE state = 'failed' ORDER BY finished DESC, number LIMIT ?", _SHOWN
        )
        [(refused,)] = store.all("SELECT count(*) FROM refused")
    finally:
        store.close()
    waiting, drawing = count.get("waiting", 0), sum(row[2] for row in alive)
    speed = 60 * recent / max(now - max(first, now - RECENT), 1e-3) if recent else None
    return Status(
        total=sum(count.values()),
        done=count.get("done", 0),
        failed=count.get("failed", 0),
        drawing=drawing,
        waiting=waiting - drawing,
        refused=refused,
        workers=len(alive),
        per_minute=speed,
        seconds_left=60 * waiting / speed if speed else None,
        failures=failures,
    )


def duration(seconds: float) -> str:
    """Seconds in words: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
