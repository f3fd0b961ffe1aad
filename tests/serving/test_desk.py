"""What passes between watchers and the thread that draws."""

from __future__ import annotations

import threading

import numpy as np

from fastclipgen.serving.desk import MOST, Desk
from fastclipgen.serving.events import Feed

from .drawing import wait_until


def test_the_last_update_counts_and_is_taken_once() -> None:
    desk = Desk(Feed())
    assert desk.take() is None
    desk.ask({"n": 1})
    desk.ask({"n": 2})
    assert desk.changed
    assert desk.take() == {"n": 2}
    assert (desk.changed, desk.take()) == (False, None)


def test_points_thin_out() -> None:
    desk = Desk(Feed())
    for step in range(MOST + 1):
        desk.note({"step": step})
    steps = [point["step"] for point in desk.points]
    assert steps == list(range(0, MOST + 1, 2))


def test_views_are_made_only_when_somebody_waits() -> None:
    desk, found = Desk(Feed()), []
    assert desk.views(0.01) is None
    assert not desk.wants_views
    thread = threading.Thread(target=lambda: found.append(desk.views(20)))
    thread.start()
    wait_until(lambda: desk.wants_views)
    desk.show(3, np.zeros((1, 2, 4, 4, 3), np.uint8))
    thread.join(10)
    assert (found[0][0], found[0][1].shape) == (3, (1, 2, 4, 4, 3))
    assert not desk.wants_views
    assert desk.views(0.01) is None  # what somebody saw before is not shown again
