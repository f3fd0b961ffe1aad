"""The run that is being drawn: how far it is, and what others ask of it between two steps.

The thread that draws calls `after_step` and `over`; every other method is called by threads that answer requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from fastclipgen.serving.desk import Desk
from fastclipgen.serving.events import Feed
from fastclipgen.serving.snapshots import Gallery, Snapshot, Snapshots

_RATE = 10.0  # times a second that progress is told
_LOOK = 0.5  # seconds between looks whether a paused run must leave the device

Why = Literal["cancelled", "left"]  # left: the device, to begin again later


class Progress(NamedTuple):
    """done of total steps (of all batches; of tokens where tokens are drawn); step of steps of the batch at hand;
    losses of its pictures at step loss_step, one or a few before `step`; seconds drawn so far, without pauses; eta:
    seconds left, None before it is known."""

    done: int
    total: int
    step: int
    steps: int
    loss_step: int
    losses: list[float | None]
    seconds: float
    eta: float | None
    steps_per_second: float | None


class Live:
    """id: of the run; must_leave(seconds): asked while it is paused, whether it gives up the device after so many."""

    def __init__(self, id: str, feed: Feed, must_leave: Callable[[float], bool]) -> None:
        self.id, self.feed, self.gallery, self.desk = id, feed, Gallery(), Desk(feed)
        self.notices: list[str] = []
        self._must_leave = must_leave
        self._turn = threading.Condition()
        self._stop: Why | None = None
        self._paused = False
        self._snapshots: Snapshots | None = None
        self._done = self._total = self._step = self._steps = self._loss_step = 0
        self._losses: list[float | None] = []
        self._seconds, self._last, self._told = 0.0, time.monotonic(), 0.0
        self.first = 0  # the index in the run of the first picture of the batch at hand

    def begin(self, device: Any, total: int) -> None:
        """The models are loaded; the first step comes next."""
        self._snapshots = Snapshots(device, self._arrived)
        self._total, self._last = total, time.monotonic()

    def after_step(self, info: Any) -> bool:
        """With a StepInfo or TokenInfo; True ends the run, or breaks it off for an update. Waits while the run is
        paused."""
        now = time.monotonic()
        self._done, self._step, self._steps = self._done + 1, info.step, info.steps
        self._seconds, self._last = self._seconds + now - self._last, now
        if info.loss is not None and self._snapshots is not None:
            self._snapshots.after_step(info, self.first)
        if now - self._told >= 1 / _RATE or info.step in (1, info.steps):
            self._told = now
            if info.known is not None:
                self._loss_step, self._losses = info.known[0], [_finite(v) for v in info.known[1].tolist()]
            self.feed.publish("progress", **self.progress()._asdict())
        if self._paused:
            self._wait()
        return self._stop is not None or self.desk.changed

    def over(self) -> bool:
        return self._stop is not None

    @property
    def stopped(self) -> Why | None:
        """Why the run ends before its last step."""
        return self._stop

    @property
    def paused(self) -> bool:
        return self._paused

    def stop(self, why: Why) -> None:
        with self._turn:
            self._stop = self._stop or why
            self._turn.notify_all()

    def update(self, settings: dict[str, Any]) -> None:
        """Of an experiment, also while it is paused, which then takes a step to show what the update did."""
        with self._turn:
            self.desk.ask(settings)
            self._turn.notify_all()

    def go_on(self, left: int) -> None:
        """After an update there are so many steps to come."""
        self._total, self._last = self._done + left, time.monotonic()

    def pause(self, paused: bool) -> None:
        with self._turn:
            self._paused = paused
            self._turn.notify_all()

    def notice(self, line: str) -> None:
        """A line that the job says."""
        self.notices = [*self.notices[-49:], line]
        self.feed.publish("notice", text=line)

    def progress(self) -> Progress:
        speed = self._done / self._seconds if self._seconds > 0 else None
        eta = None if not speed else max(0, self._total - self._done) / speed
        return Progress(
            self._done, self._total, self._step, self._steps, self._loss_step, self._losses,
            round(self._seconds, 3), None if eta is None else round(eta, 1), None if speed is None else round(speed, 3),
        )  # fmt: skip

    def _wait(self) -> None:
        begun = time.monotonic()
        with self._turn:
            while self._paused and self._stop is None and not self.desk.changed:
                if self._must_leave(time.monotonic() - begun):
                    self._stop = "left"
                else:
                    self._turn.wait(_LOOK)
        self._last = time.monotonic()

    def _arrived(self, snapshot: Snapshot) -> None:
        self.gallery.put(snapshot)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
