"""The store: what it costs to follow a long batch, stores of older versions, and many processes at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from fastclipgen.jobs import claims, manifest
from fastclipgen.jobs.items import Item
from fastclipgen.jobs.run import Engine, Settled, draw_batch
from fastclipgen.jobs.store import NAME, Finished, Store
from fastclipgen.jobs.tables import VERSION
from fastclipgen.jobs.worker import work

from .drawing import PATH, TOGETHER, Fake, batch, manifest_of, pictures, watch


def test_numbers_grow_in_the_order_in_which_items_are_settled(tmp_path: Path) -> None:
    store = Store(batch(tmp_path, *"abcd"))
    with store.change():
        store.settle([Finished(3, "c.png"), Finished(1, error="no")])
    assert store.settled(("number", "state")) == [(3, "done"), (1, "failed")]
    seen = store.last_settled()
    store.try_failed_again()
    assert store.settled(("number",)) == [(3,)]
    with store.change():
        store.settle([Finished(4, "d.png"), Finished(1, "a.png")])
    assert store.settled(("number", "state"), after=seen) == [(4, "done"), (1, "done")]
    assert store.settled(("number",)) == [(3,), (4,), (1,)]
    store.close()


def draw_fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Settled]:
    """Draws a batch; gives what was heard of it."""
    heard: list[Settled] = []
    monkeypatch.setattr(
        "fastclipgen.jobs.painter.Painter", lambda group, device, notice, trust_gan: Fake(group, device, notice)
    )
    draw_batch(folder, Engine(), heard.append, lambda line: None, lambda: False)
    return heard


def test_every_item_is_heard_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = batch(tmp_path, *"abcde", "boom")
    assert [(one.number, one.error is None) for one in draw_fake(folder, monkeypatch)] == [
        (1, True), (2, True), (3, True), (4, True), (5, True), (6, False),
    ]  # fmt: skip
    batch(tmp_path, *"abcde", "boom", "f")
    assert [one.number for one in draw_fake(folder, monkeypatch)] == [7]


def read_of_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> tuple[int, int]:
    """How many rows of settled items are read while so many items are drawn, and in how many queries."""
    tmp_path.mkdir()
    folder = batch(tmp_path, *(f"picture {i}" for i in range(count)))
    rows: list[int] = []
    every = Store.all

    def counted(self: Store, query: str, *values: object) -> list[tuple[object, ...]]:
        found = every(self, query, *values)
        if "FROM items" in query and "'waiting'" in query.replace("state = 'waiting'", ""):
            rows.append(len(found))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Store, "all", counted)
        draw_fake(folder, patch)
    assert len(manifest_of(folder)) == count
    return sum(rows), len(rows)


def test_what_is_read_grows_with_the_batch_and_no_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, looks = read_of_settled(tmp_path / "few", monkeypatch, 9)
    many, more_looks = read_of_settled(tmp_path / "many", monkeypatch, 36)
    assert looks >= 9 / TOGETHER
    assert more_looks >= 36 / TOGETHER
    # each row once by the looks, once for the last manifest
    assert (few, many) == (2 * 9, 2 * 36)


def test_a_look_visits_the_new_rows_only(tmp_path: Path) -> None:
    """SQLite's own plan: a range of the index, and no sort."""
    store = Store(batch(tmp_path, "a"))
    seen: list[str] = []
    store.db.set_trace_callback(seen.append)
    store.settled(("number",), after=5)
    store.db.set_trace_callback(None)
    [query] = seen
    plan = " ".join(row[3] for row in store.all(f"EXPLAIN QUERY PLAN {query}"))
    assert "items_by_settled (settled>?)" in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan
    store.close()


def cost(store: Store, ask: Callable[[], object]) -> int:
    """How many instructions SQLite runs."""
    count = 0

    def one() -> None:
        nonlocal count
        count += 1

    store.db.set_progress_handler(one, 1)
    try:
        ask()
    finally:
        store.db.set_progress_handler(None, 0)
    return count


def costs(folder: Path, count: int, groups: int) -> list[list[int]]:
    """What a worker asks for costs with packs of one item: at the second pack, with all before it, and at the last but
    one, with all behind it."""
    folder.mkdir()
    store, name = Store(folder), "elsewhere/1/1"
    store.db.execute("PRAGMA synchronous=OFF")
    store.add([Item(str(n), str(n % groups), "x", n, n) for n in range(count)], [])
    for group, settings in store.all("SELECT id, settings FROM groups"):
        store.divide(group, settings, 1)
    packs: list[claims.Pack] = []

    def claim() -> None:
        pack = claims.claim(store, name, packs[-1].group if packs else None, 2)
        assert pack is not None
        packs.append(pack)

    def settle() -> None:
        assert claims.settle(store, packs[-1], name, [Finished(packs[-1].items[0].number, "x")])

    found = []
    for turns in (1, count - 3):
        for _ in range(turns):
            claim()
            settle()
        found.append([cost(store, ask) for ask in (claim, lambda: claims.others(store, name), settle, store.undivided)])
    assert len({pack.id for pack in packs}) == count
    assert claims.claim(store, name, None, 2) is None
    store.close()
    return found


@pytest.mark.parametrize("one_group", [True, False])
def test_what_a_worker_asks_for_costs_the_same_however_long_the_batch(tmp_path: Path, one_group: bool) -> None:
    few, *_ = costs(tmp_path / "few", 10, 1 if one_group else 10)
    for many in costs(tmp_path / "many", 150, 1 if one_group else 150):
        assert all(one <= 1.5 * other for one, other in zip(many, few, strict=True)), (many, few)


def test_a_group_is_found_without_a_walk_through_all_items(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sizes = []
    for count in (10, 300):
        store.add([Item(str(n), str(n), "x", n, n) for n in range(count)], [])
        sizes.append(cost(store, lambda: store.group(7)))
    assert sizes[0] == sizes[1]
    store.close()


def to_version_one(folder: Path) -> None:
    """The store as the first version of the package would have left it."""
    db = sqlite3.connect(folder / NAME)
    indexes = db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for (name,) in indexes:
        db.execute(f"DROP INDEX {name}")
    db.execute("ALTER TABLE items DROP COLUMN settled")
    db.execute("ALTER TABLE packs DROP COLUMN open")
    db.execute("CREATE INDEX items_by_pack ON items (pack)")
    db.execute("CREATE INDEX items_by_state ON items (state, grp, pack)")
    db.execute("CREATE INDEX packs_by_worker ON packs (worker)")
    db.execute("UPDATE facts SET value = '1' WHERE name = 'version'")
    db.commit()
    db.close()


def test_a_batch_of_an_older_version_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    ten = [f"picture {i}" for i in range(10)]
    whole = batch(tmp_path / "whole", *ten)
    work(whole, None, watch(), open_group=Fake)
    folder = batch(tmp_path, *ten)
    store = Store(folder)
    group = store.undivided()
    assert group is not None
    store.divide(group.id, group.settings, TOGETHER)
    for _ in range(2):
        pack = claims.claim(store, "elsewhere/1/1", None, 2)
        assert pack is not None
        claims.settle(store, pack, "elsewhere/1/1", [Finished(item.number, "x") for item in pack.items])
    store.db.execute("UPDATE items SET finished = finished - number WHERE state = 'done'")  # the other way round
    store.close()
    to_version_one(folder)
    store = Store(folder)
    assert store.fact("version") == VERSION
    assert store.all("SELECT open FROM packs ORDER BY id") == [(0,), (0,), (1,), (1,)]
    assert store.settled(("number",)) == [(6,), (5,), (4,), (3,), (2,), (1,)]
    manifest.rewrite(folder, store)
    store.close()
    work(folder, None, watch(), open_group=Fake)
    assert [line["number"] for line in manifest_of(folder)] == [6, 5, 4, 3, 2, 1, 7, 8, 9, 10]
    assert pictures(folder).items() == {name: pictures(whole)[name] for name in list(pictures(whole))[6:]}.items()


def test_only_one_at_a_time_opens_a_store(tmp_path: Path) -> None:
    opened = threading.Event()

    def open_it() -> None:
        Store(tmp_path).close()
        opened.set()

    thread = threading.Thread(target=open_it)
    with FileLock(tmp_path / ".batch.lock"):
        thread.start()
        assert not opened.wait(0.3)
        assert not (tmp_path / NAME).exists()
    thread.join(60)
    assert opened.is_set()


OPEN = """
import sys
from pathlib import Path
from fastclipgen.jobs.store import Store
print("ready", flush=True)
for line in sys.stdin:
    folder = Path(line.strip())
    store = Store(folder)
    store.fact("seed", folder.name)
    store.close()
"""


def test_many_processes_make_the_store_at_once(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(10)]
    command = [sys.executable, "-P", "-c", OPEN]
    pipe, environment = subprocess.PIPE, os.environ | {"PYTHONPATH": PATH}
    processes = [
        subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for folder in folders:
        folder.mkdir()
    lines = "".join(f"{folder}\n" for folder in folders)
    for process in processes:  # at the same moment
        assert process.stdin is not None
        process.stdin.write(lines)
        process.stdin.flush()
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    for folder in folders:
        store = Store(folder)
        assert store.fact("seed") == folder.name
        assert store.all("PRAGMA journal_mode") == [("wal",)]
        store.close()
