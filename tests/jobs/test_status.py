"""How far a batch is said to have come."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.jobs import claims, workers
from fastclipgen.jobs.status import duration, read_status
from fastclipgen.jobs.store import Finished, Store

from .drawing import batch


def test_counts_speed_and_time_left(tmp_path: Path) -> None:
    folder = batch(tmp_path, *"abcdefg")
    store, own = Store(folder), workers.own_name()
    group = store.undivided()
    assert group is not None
    store.divide(group.id, group.settings, 2)
    first = claims.claim(store, own, None, 2)
    assert first is not None
    claims.settle(store, first, own, [Finished(1, "1.png", 0.5, 30.0), Finished(2, "2.png", 0.5, 30.0)])
    claims.claim(store, own, None, 2)
    claims.claim(store, "elsewhere/1/1", None, 2)
    status = read_status(folder)
    assert status[:7] == (7, 2, 0, 4, 1, 0, 2)
    assert status.per_minute == pytest.approx(4.0, rel=0.05)  # two in the thirty seconds since the first was begun
    assert status.seconds_left == pytest.approx(5 * 15, rel=0.05)
    assert "2 of 7 pictures are done, 0 failed, 4 are being drawn by 2 processes, 1 wait" in status.lines()[0]
    later = read_status(folder, time.time() + claims.LEASE + 600)
    assert (later.workers, later.drawing, later.per_minute) == (1, 2, None)  # only the one of this machine is alive
    store.close()


def test_a_folder_without_a_batch_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no batch in"):
        read_status(tmp_path)


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (720, "12 min"), (12_600, "3.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
