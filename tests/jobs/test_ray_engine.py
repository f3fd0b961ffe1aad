"""A batch over a real Ray cluster of this machine, one of whose actors is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.jobs.claims import Stored
from fastclipgen.jobs.ray_engine import draw_with_ray
from fastclipgen.jobs.status import read_status
from fastclipgen.jobs.worker import work
from fastclipgen.result import Result

from .drawing import Fake, batch, manifest_of, pictures, watch

TEN = [f"picture {i}" for i in range(10)]


def slow_in(place: Path) -> type[Fake]:
    """A painter that takes a while, and writes the number of its process into the folder `place`."""

    class Slow(Fake):
        def draw(self, items: Sequence[Stored], *rest: Any) -> list[Result] | None:
            (place / str(os.getpid())).touch()
            time.sleep(0.3)
            return super().draw(items, *rest)

    return Slow


def test_a_batch_survives_the_death_of_an_actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    for name in ("whole", "alive"):
        (tmp_path / name).mkdir()
    whole = batch(tmp_path / "whole", *TEN)
    work(whole, None, watch(), open_group=Fake)
    folder, alive = batch(tmp_path, *TEN, "boom"), tmp_path / "alive"
    killed: list[int] = []

    def kill() -> None:
        while not list(alive.iterdir()):
            time.sleep(0.01)
        killed.append(int(next(iter(alive.iterdir())).name))
        os.kill(killed[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    notices: list[str] = []
    draw_with_ray(folder, None, 2, lambda: None, notices.append, lambda: False, slow_in(alive))
    assert notices.count("an actor died; its pack is drawn by another one") == 1
    assert len(killed) == 1
    assert len(list(alive.iterdir())) == 3, "two actors, and one in the place of the dead"
    kept = pictures(folder)
    assert {name: kept[name] for name in list(kept)[:9]} == dict(list(pictures(whole).items())[:9])
    status = read_status(folder)
    assert (status.done, status.failed) == (10, 1)
    assert sorted(line["number"] for line in manifest_of(folder)) == list(range(1, 12))
