"""Whose turn it is on the device, and what may be done to a run as it is now.

Fair means: clients take turns, run by run, whatever the number of runs that each has handed in; the one whose last run
began longest ago is next, and of one client the runs go in the order in which they came. Runs are not cut into slices:
a short run of one client waits for a long one of another. Clients say themselves who they are, so it is fairness among
clients that mean well; what all of them together may hold is limited.

Every method may be called by any thread. Knows no HTTP, and nothing of how runs are drawn.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastclipgen.serving.events import Feed
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.live import Live
from fastclipgen.serving.problems import NotFound, TooMany, WrongState
from fastclipgen.serving.store import OVER, Row, State, Store

TOO_LATE = "the run had taken its last step before this reached it; hand it in as a run of its own"
"""Said of an update that is not taken any more."""


def turns(waiting: Sequence[tuple[str, str]], served: Mapping[str, float]) -> list[str]:
    """The ids of `waiting` (id, client), which are in the order in which they came, in the order of their turns.
    served: when each client's run last began, of those who had one."""
    came = {client: place for place, client in reversed(list(enumerate(client for _, client in waiting)))}
    before: dict[str, int] = {}
    keys = []
    for id, client in waiting:
        keys.append((before.get(client, 0), served.get(client, 0.0), came[client], id))
        before[client] = before.get(client, 0) + 1
    return [key[-1] for key in sorted(keys)]


class Queue:
    """folder: below which each run has its own for its pictures."""

    def __init__(self, store: Store, folder: Path, limits: Limits) -> None:
        self.store, self.folder, self._limits = store, folder, limits
        self.live: Live | None = None
        self._feeds: dict[str, Feed] = {}
        self._turn = threading.Condition(threading.RLock())
        self.closing = False

    def submit(self, client: str, title: str, settings: str) -> Row:
        """A new run, on the disk. Raises TooMany."""
        with self._turn:
            for held, most, whose in (
                (self.store.held(), self._limits.queue, "this server"),
                (self.store.held(client), self._limits.client_queue, f"client '{client}'"),
            ):
                if held >= most:
                    raise TooMany(f"{held} runs of {whose} wait already, which is the most; wait for one, or cancel it")
            row = self.store.add(secrets.token_hex(8), client, title, settings, time.time())
            self._turn.notify_all()
            return row

    def find(self, id: str) -> Row:
        """Raises NotFound."""
        row = self.store.find(id)
        if row is None:
            raise NotFound(f"there is no run '{id:.40}'; GET /api/runs lists those there are")
        return row

    def ahead(self, rows: Sequence[Row]) -> dict[str, int]:
        """How many runs are drawn before each of those of `rows` that wait."""
        if not any(row.state == "queued" for row in rows):
            return {}
        return {id: place for place, id in enumerate(self._order())}

    def cancel(self, id: str) -> Row:
        """A run that waits is over at once; one that is drawn ends after the step at hand and keeps what there is."""
        with self._turn:
            row = self._changeable(id, "cancelled")
            if self._is_live(id) and self.live is not None:
                self.live.stop("cancelled")
            else:
                self.store.end(row.number, "cancelled", time.time())
                self._say_over(id)
            return self.find(id)

    def pause(self, id: str) -> Row:
        """A run that waits loses its turn; one that is drawn waits between two steps, and keeps the device for as long
        as nobody else wants it."""
        with self._turn:
            return self._hold(self._changeable(id, "paused"), "paused", True)

    def resume(self, id: str) -> Row:
        """A paused run goes on where it is, or waits for its turn where it has left the device."""
        with self._turn:
            row = self._changeable(id, "resumed")
            return self._hold(row, "running" if self._is_live(id) else "queued", False)

    def update(self, id: str, settings: dict[str, Any]) -> Row:
        """An experiment goes on with other settings: from where it is, if it is on the device, else from its start."""
        with self._turn:
            row = self._changeable(id, "updated")
            if self._is_live(id) and self.live is not None:
                self.live.update(settings)
            else:
                self.store.change_settings(row.number, json.dumps(settings))
            return self.find(id)

    def delete(self, id: str) -> None:
        """Forgets a run that is over, with its pictures. Raises WrongState for one that is not."""
        with self._turn:
            row = self.find(id)
            if row.state not in OVER:
                raise WrongState(f"the run '{id}' is {row.state}; cancel it before it is deleted")
            self.store.remove(row.number)
            shutil.rmtree(self.folder / row.id, ignore_errors=True)

    def feed(self, id: str) -> Feed:
        """The events of a run; one that is over has none, and its feed has ended. Raises NotFound."""
        with self._turn:
            feed = self._feeds.get(id) or Feed()
            if self.closing or self.find(id).state in OVER:
                feed.close()
            else:
                self._feeds[id] = feed
            return feed

    def next(self) -> Row | None:
        """The run whose turn it is, which is now `live`; waits until there is one. None when the server ends."""
        with self._turn:
            while not self.closing:
                if order := self._order():
                    row = self.find(order[0])
                    self.store.begin(row.number, time.time())
                    self.live = Live(row.id, self.feed(row.id), self._must_leave)
                    self._say(row.id)
                    return self.find(row.id)
                self._turn.wait()
            return None

    def finished(self, state: State | None, error: str | None = None) -> None:
        """The live run has left the device: it is over in that state; None: it is not, and begins again, at its next
        turn or when it is resumed."""
        with self._turn:
            live, self.live = self.live, None
            if live is None:
                return
            row, late = self.find(live.id), live.desk.take()  # an update that nobody has seen any more
            if state is not None:
                if late is not None:
                    live.feed.publish("updated", experiment=late["experiment"], error=TOO_LATE)
                self.store.end(row.number, state, time.time(), error)
                self._say_over(row.id)
            else:
                # what was asked for last holds, also where it was asked for after the run had stopped
                if late is not None:
                    self.store.change_settings(row.number, json.dumps(late))
                self.store.move(row.number, "paused" if row.state == "paused" else "queued")
                self._say(row.id)

    def close(self) -> None:
        """No other run begins; the live one stops after the step at hand and waits for the next server; every feed
        ends."""
        with self._turn:
            self.closing = True
            if self.live is not None:
                self.live.stop("left")
            for feed in self._feeds.values():
                feed.close()
            self._turn.notify_all()

    def _order(self) -> list[str]:
        return turns([(row.id, row.client) for row in self.store.waiting()], self.store.served())

    def _must_leave(self, seconds: float) -> bool:
        return seconds >= self._limits.hold and bool(self.store.waiting())

    def _is_live(self, id: str) -> bool:
        return self.live is not None and self.live.id == id

    def _changeable(self, id: str, what: str) -> Row:
        row = self.find(id)
        if row.state in OVER or (what == "resumed" and row.state != "paused"):
            raise WrongState(f"the run '{id}' is {row.state}, so it cannot be {what}; leave it as it is")
        return row

    def _hold(self, row: Row, state: State, paused: bool) -> Row:
        if row.state != state and not (row.state == "queued" and state == "running"):
            self.store.move(row.number, state)
        if self._is_live(row.id) and self.live is not None:
            self.live.pause(paused)
        self._say(row.id)
        self._turn.notify_all()
        return self.find(row.id)

    def _say(self, id: str) -> None:
        self.feed(id).publish("state", state=self.find(id).state)

    def _say_over(self, id: str) -> None:
        if (feed := self._feeds.pop(id, None)) is not None:
            feed.close()
