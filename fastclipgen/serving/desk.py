"""What passes between those who watch an experiment and the thread that draws it: updates, figures, views.

The thread that draws calls `changed`, `take`, `note`, `wants_views` and `show`; threads that answer requests the
others.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastclipgen.serving.events import Feed

MOST = 2000  # points that are kept; when there are more, every other one goes


class Desk:
    """Of one run on the device."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._turn = threading.Condition()
        self._asked: dict[str, Any] | None = None
        self._points: list[dict[str, Any]] = []
        self._watchers = 0
        self._views: tuple[int, np.ndarray] | None = None
        self._shown = 0

    def ask(self, settings: dict[str, Any]) -> None:
        """The run is to go on with other settings; of several that are not yet taken the last one counts."""
        with self._turn:
            self._asked = settings

    @property
    def changed(self) -> bool:
        """Whether there are settings to be taken."""
        return self._asked is not None

    def take(self) -> dict[str, Any] | None:
        with self._turn:
            asked, self._asked = self._asked, None
            return asked

    def note(self, point: Mapping[str, Any]) -> None:
        """Figures of a step."""
        with self._turn:
            self._points.append(dict(point))
            if len(self._points) > MOST:
                self._points = self._points[::2]
        self._feed.publish("figures", **point)

    @property
    def points(self) -> list[dict[str, Any]]:
        """The figures so far, the newest last."""
        with self._turn:
            return list(self._points)

    def views(self, seconds: float) -> tuple[int, np.ndarray] | None:
        """The step, and what CLIP sees then: uint8 [B, N, S, S, 3]; None if no step came in time."""
        with self._turn:
            self._watchers += 1
            before = self._shown
            try:
                self._turn.wait_for(lambda: self._shown > before, seconds)
                return self._views if self._shown > before else None
            finally:
                self._watchers -= 1

    @property
    def wants_views(self) -> bool:
        return self._watchers > 0

    def show(self, step: int, views: np.ndarray) -> None:
        with self._turn:
            self._views, self._shown = (step, views), self._shown + 1
            self._turn.notify_all()
