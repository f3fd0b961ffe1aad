"""What a worker leaves behind: pictures, a record, and nothing lost or done twice, whatever happens on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.jobs import claims, workers
from fastclipgen.jobs.status import read_status
from fastclipgen.jobs.store import Finished, Store
from fastclipgen.jobs.worker import work

from .drawing import PATH, TOGETHER, Fake, batch, manifest_of, pictures, watch

TEN = [f"picture {i}" for i in range(10)]


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The pictures of TEN, drawn without a break."""
    folder = batch(tmp_path / "whole", *TEN)
    work(folder, None, watch(), open_group=Fake)
    return pictures(folder)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()


def test_every_item_becomes_a_picture_and_a_line(tmp_path: Path) -> None:
    folder = batch(tmp_path, *TEN)
    counts: list[int] = []
    work(folder, None, watch(settled=lambda: counts.append(len(pictures(folder)))), open_group=Fake)
    assert counts == [3, 6, 9, 10]
    lines = manifest_of(folder)
    assert [line["number"] for line in lines] == list(range(1, 11))
    assert [line["prompt"] for line in lines] == TEN
    assert [line["seed"] for line in lines] == list(range(1, 11))
    assert sorted(line["file"] for line in lines) == list(pictures(folder))
    assert lines[1]["file"] == "000002-picture-1-2.png"


def test_nothing_is_drawn_twice(tmp_path: Path) -> None:
    folder = batch(tmp_path, *TEN)
    work(folder, None, watch(), open_group=Fake)
    before = {name: (folder / name).stat().st_mtime_ns for name in pictures(folder)}
    batch(tmp_path, *TEN)
    work(folder, None, watch(step=lambda info: pytest.fail("drawn again")), open_group=Fake)
    assert {name: (folder / name).stat().st_mtime_ns for name in pictures(folder)} == before


def test_rows_that_are_added_are_all_that_is_drawn(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = batch(tmp_path, *TEN[:6])
    work(folder, None, watch(), open_group=Fake)
    batch(tmp_path, *TEN)
    before = {name: (folder / name).stat().st_mtime_ns for name in pictures(folder)}
    work(folder, None, watch(), open_group=Fake)
    assert before == {name: (folder / name).stat().st_mtime_ns for name in list(pictures(folder))[:6]}
    assert pictures(folder) == whole


def test_an_interrupted_pack_is_dropped_and_begun_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = batch(tmp_path, *TEN)
    steps: list[None] = []
    work(
        folder, None, watch(step=lambda info: steps.append(None), interrupted=lambda: len(steps) == 2), open_group=Fake
    )
    assert len(pictures(folder)) == TOGETHER
    assert read_status(folder)[:5] == (10, 3, 0, 0, 7)
    work(folder, None, watch(), open_group=Fake)
    assert pictures(folder) == whole


def test_a_failing_item_takes_no_other_with_it(tmp_path: Path) -> None:
    folder = batch(tmp_path, "a", "boom", "c", "nan", "e")
    notices: list[str] = []
    work(folder, None, watch(notice=notices.append), open_group=Fake)
    assert len(pictures(folder)) == 3
    failed = {line["number"]: line["error"] for line in manifest_of(folder) if line["state"] == "failed"}
    assert failed == {2: "RuntimeError: the device fell over"} | {
        4: "its loss became NaN or infinite; lower the learning rate or use fp32"
    }
    # the pack of three, and then the one alone, were tried twice each
    assert sum("the device fell over" in line for line in notices) == 4


def test_settings_that_cannot_be_fail_all_of_their_items_and_no_others(tmp_path: Path) -> None:
    folder = batch(tmp_path, "a", "b", steps=13)
    batch(tmp_path, "c", steps=14)
    work(folder, None, watch(), open_group=Fake)
    status = read_status(folder)
    assert (status.done, status.failed) == (1, 2)
    assert status.failures == [(1, "thirteen steps cannot be"), (2, "thirteen steps cannot be")]


def test_failures_wait_until_they_are_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = batch(tmp_path, "a", "boom")
    work(folder, None, watch(), open_group=Fake)
    work(folder, None, watch(step=lambda info: pytest.fail("tried again")), open_group=Fake)
    store = Store(folder)
    assert store.try_failed_again() == 1
    store.close()
    draw = Fake.draw
    mended = lambda self, items, *rest: draw(self, [item._replace(prompt="x") for item in items], *rest)  # noqa: E731
    monkeypatch.setattr(Fake, "draw", mended)
    work(folder, None, watch(), open_group=Fake)
    assert read_status(folder).done == 2


def test_a_pack_that_kills_its_processes_is_given_up_while_others_go_on(tmp_path: Path) -> None:
    folder = batch(tmp_path, *TEN[:4])
    store = Store(folder)
    group = store.undivided()
    assert group is not None
    store.divide(group.id, group.settings, 2)
    begun: list[int] = []
    for _ in range(20):  # each worker dies with what it gets, but for the second pack
        pack = claims.claim(store, f"{workers.own_name()}-dead", None, 2)
        if pack is None:
            break
        begun.append(pack.items[0].number)
        if all(item.number > 2 for item in pack.items):
            done = [Finished(item.number, "x") for item in pack.items]
            claims.settle(store, pack, f"{workers.own_name()}-dead", done)
    states = [row[0] for row in store.all("SELECT state FROM items ORDER BY number")]
    assert states == ["failed", "failed", "done", "done"]
    assert begun[:2] == [1, 3], "a pack with which a worker died is the last"
    store.close()


def test_a_result_that_comes_after_the_pack_was_given_away_counts_for_nothing(tmp_path: Path) -> None:
    folder = batch(tmp_path, "a")
    store = Store(folder)
    group = store.undivided()
    assert group is not None
    store.divide(group.id, group.settings, 2)
    slow = claims.claim(store, "elsewhere/1/1", None, 2)
    assert slow is not None
    assert claims.claim(store, "elsewhere/2/2", None, 2) is None
    store.db.execute("UPDATE packs SET beat = beat - ?", (claims.LEASE + 1,))
    fast = claims.claim(store, "elsewhere/2/2", None, 3)
    assert fast is not None
    assert not claims.settle(store, slow, "elsewhere/1/1", [Finished(1, "late")])
    assert claims.settle(store, fast, "elsewhere/2/2", [Finished(1, "first")])
    assert store.all("SELECT file FROM items") == [("first",)]
    store.close()


def test_a_folder_that_cannot_be_written_stops_the_batch_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = batch(tmp_path, *TEN)

    def full(*_: object) -> None:
        raise UserError("cannot write: the disk is full")

    monkeypatch.setattr("fastclipgen.jobs.keep.replace_file", full)
    with pytest.raises(UserError, match="the disk is full"):
        work(folder, None, watch(), open_group=Fake)
    monkeypatch.undo()
    assert read_status(folder)[:5] == (10, 0, 0, 0, 10)
    work(folder, None, watch(), open_group=Fake)
    assert read_status(folder).done == 10


SLOW = """
import sys, time
from pathlib import Path
from tests.jobs.drawing import Fake, watch
from fastclipgen.jobs.worker import work
work(Path(sys.argv[1]), None, watch(step=lambda info: time.sleep(0.05)), open_group=Fake)
"""


def slow_worker(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-P", "-c", SLOW, str(folder)], env=os.environ | {"PYTHONPATH": PATH})


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = batch(tmp_path, *TEN)
    clock = random.Random(0)
    for _ in range(3):
        process = slow_worker(folder)
        deadline = time.monotonic() + 60
        while process.poll() is None and not list((folder).glob("*-wal")) and time.monotonic() < deadline:
            time.sleep(0.01)  # the interpreter starts
        time.sleep(clock.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        batch(tmp_path, *TEN)  # the command is given again
        if read_status(folder).done == 10:
            break
    work(folder, None, watch(), open_group=Fake)
    assert pictures(folder) == whole
    assert sorted(line["number"] for line in manifest_of(folder)) == list(range(1, 11))


def test_two_processes_share_a_folder(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = batch(tmp_path, *TEN)
    both = [slow_worker(folder), slow_worker(folder)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert pictures(folder) == whole
    assert sorted(line["number"] for line in manifest_of(folder)) == list(range(1, 11))
