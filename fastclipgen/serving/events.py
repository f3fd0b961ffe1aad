"""What happens to a run, as numbered events that any number of listeners follow at their own pace.

The newest `KEPT` events stay, so that a listener who lost the connection goes on where it was; one who was away for
longer begins again with the run as it is. Progress replaces progress, so a slow listener is never behind by much, and
costs no memory. Events are published by any thread and waited for in an event loop.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

KEPT = 256
OVER = "over"  # the number of a run's last event, after which there is nothing to wait for


class Event(NamedTuple):
    """id: what a listener gives to go on behind it; data: JSON."""

    id: str
    kind: str
    data: str

    def as_sse(self) -> bytes:
        return f"id: {self.id}\nevent: {self.kind}\ndata: {self.data}\n\n".encode()


class Feed:
    """The events of one run. Numbers are of this life of the server, and say so."""

    def __init__(self) -> None:
        self._life = secrets.token_hex(4)
        self._turn = threading.Lock()
        self._events: deque[tuple[int, str, str]] = deque(maxlen=KEPT)
        self._number = 0
        self.closed = False
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def publish(self, kind: str, **values: Any) -> None:
        """kind "progress" takes the place of the progress before it."""
        data = json.dumps(values)
        with self._turn:
            self._number += 1
            if kind == "progress" and self._events and self._events[-1][1] == kind:
                self._events.pop()
            self._events.append((self._number, kind, data))
        self._wake()

    def close(self) -> None:
        """Nothing more will come; listeners get what there is and end."""
        with self._turn:
            self.closed = True
        self._wake()

    @property
    def here(self) -> str:
        """The id behind which a listener who knows everything until now goes on."""
        with self._turn:
            return self._id(self._number)

    def since(self, id: str) -> list[Event] | None:
        """The events behind that one; None where some of them are gone, or it is of another life of the server."""
        life, _, text = id.partition(".")
        with self._turn:
            if life != self._life or not text.isdecimal():
                return None
            number = int(text)
            oldest = self._events[0][0] if self._events else self._number + 1
            # progress that was replaced leaves gaps in the numbers, but nothing to tell
            if number > self._number or (number + 1 < oldest and len(self._events) == KEPT):
                return None
            return [Event(self._id(n), kind, data) for n, kind, data in self._events if n > number]

    async def follow(self, id: str, beat: float) -> AsyncIterator[list[Event] | None]:
        """Events behind `id`, as they come; an empty list when there was none for `beat` seconds, and None where some
        were lost, after which it ends. Ends with the feed."""
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._turn:
            self._listeners[news] = loop
        try:
            while True:
                news.clear()
                closed = self.closed  # before what there is is read
                found = self.since(id)
                if found:
                    id = found[-1].id
                if found or found is None:
                    yield found
                if closed or found is None:
                    return
                if not found:
                    try:
                        await asyncio.wait_for(news.wait(), beat)
                    except asyncio.TimeoutError:
                        yield []
        finally:
            with self._turn:
                self._listeners.pop(news, None)

    def _id(self, number: int) -> str:
        return f"{self._life}.{number}"

    def _wake(self) -> None:
        with self._turn:
            listeners = list(self._listeners.items())
        for news, loop in listeners:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(news.set)
