"""Work that waits for a network, watched: given up when it gets no further. Knows nothing of hubs or files.

HTTP clients bound the time between two bytes, but neither name resolution nor a server that sends the same half over
and over, and huggingface_hub retries either for minutes. So the work runs in a thread that tells how far it got.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, tqdm

T = TypeVar("T")


class Stalled(Exception):
    """A transfer stood still for too long."""


class Clock:
    """When a transfer last got further than ever before. A restart from zero is no progress until it catches up."""

    def __init__(self) -> None:
        self.position = 0.0
        self.furthest = 0.0
        self.moved_at = time.monotonic()
        self.abandoned = False

    def advance(self, amount: float) -> None:
        """Counts `amount` as done; negative when a transfer starts over."""
        if self.abandoned:  # nobody waits any more: end the thread, so that it leaves nothing in the cache
            raise Stalled
        self.position += amount
        if self.position > self.furthest:
            self.furthest = self.position
            self.moved_at = time.monotonic()


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Within, transfers show their progress only if `shown`, and if the user has not told huggingface_hub otherwise."""
    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def bar_for(clock: Clock) -> type[tqdm]:
    """huggingface_hub's progress bar, which moves `clock` along."""

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            clock.advance(n or 0)
            return super().update(n)

    return Bar


def watched(work: Callable[[Clock], T], seconds: float, elsewhere: Callable[[], float] = lambda: 0.0) -> T:
    """The result of `work`, run in a thread; raises what it raises, and Stalled once its clock stood for `seconds`.

    `elsewhere` tells how far the same work got in other processes, for which this one may be waiting.
    """
    clock = Clock()
    others = elsewhere()
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work(clock))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.05)
            if (now := elsewhere()) > others:
                others, clock.moved_at = now, time.monotonic()
            if thread.is_alive() and time.monotonic() - clock.moved_at > seconds:
                raise Stalled
    finally:
        clock.abandoned = True  # also on Ctrl-C
    if errors:
        raise errors[0]
    return results[0]
