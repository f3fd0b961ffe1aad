"""What the store keeps, also over kills."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.serving.store import NAME, TRIES, Kept, Store


def killed(store: Store) -> None:
    """As if the process had died: nothing is written, the lock is gone."""
    store.close()


def test_a_run_that_was_drawn_waits_again_with_its_settings(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = store.add("r1", "a", "title", '{"seed": 5}', 1.0)
    paused = store.add("r2", "a", "", "{}", 2.0)
    store.begin(run.number, 3.0)
    store.keep(run.number, [Kept(0, "r1/x.png", "{}")])
    store.move(paused.number, "paused")
    killed(store)
    again = Store(tmp_path)
    assert again.recover() == []
    found = again.find("r1")
    assert found is not None
    assert (found.state, found.settings, found.title, found.started) == ("queued", '{"seed": 5}', "title", None)
    assert again.pictures(run.number) == [Kept(0, "r1/x.png", "{}")]
    assert [row.id for row in again.waiting()] == ["r1"]
    assert again.find("r2").state == "paused"  # pyright: ignore[reportOptionalMemberAccess]


def test_a_run_that_kills_the_server_is_given_up(tmp_path: Path) -> None:
    number = 0
    for _ in range(TRIES):
        store = Store(tmp_path)
        assert store.recover() == []
        number = number or store.add("r", "a", "", "{}", 1.0).number
        store.begin(number, 2.0)
        killed(store)
    store = Store(tmp_path)
    assert [row.id for row in store.recover()] == ["r"]
    found = store.find("r")
    assert found is not None
    assert found.state == "failed"
    assert "died 3 times" in (found.error or "")


def test_a_run_that_was_put_back_has_killed_nobody(tmp_path: Path) -> None:
    store = Store(tmp_path)
    number = store.add("r", "a", "", "{}", 1.0).number
    for _ in range(TRIES + 1):
        store.begin(number, 2.0)
        store.move(number, "queued")
    store.begin(number, 3.0)
    assert store.recover() == []


def test_one_server_has_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(UserError, match="another server has the folder"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"something else " * 100)
    with pytest.raises(UserError, match="cannot use"):
        Store(tmp_path)


def test_a_store_of_another_version(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / NAME)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(UserError, match="another version"):
        Store(tmp_path)


def test_pages_go_from_the_newest_to_the_oldest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(5):
        store.add(f"r{number}", "a" if number % 2 else "b", "", "{}", 1.0)
    first = store.page(None, None, None, 2)
    assert [row.id for row in first] == ["r4", "r3"]
    assert [row.id for row in store.page(None, None, first[-1].number, 9)] == ["r2", "r1", "r0"]
    assert [row.id for row in store.page(None, "a", None, 9)] == ["r3", "r1"]
    store.end(first[0].number, "failed", 2.0, "why")
    assert [(row.id, row.error) for row in store.page("failed", None, None, 9)] == [("r4", "why")]


def test_numbers_are_not_given_twice(tmp_path: Path) -> None:
    """Pictures of a deleted run must not become those of the next."""
    store = Store(tmp_path)
    first = store.add("r1", "a", "", "{}", 1.0)
    store.keep(first.number, [Kept(0, "x", "{}")])
    store.remove(first.number)
    second = store.add("r2", "a", "", "{}", 1.0)
    assert second.number > first.number
    assert store.pictures(first.number) == []


def test_a_change_that_breaks_off_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = store.add("r", "a", "", "{}", 1.0)

    def broken() -> None:
        with store.change():
            store.end(run.number, "done", 2.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    found = store.find("r")
    assert found is not None
    assert found.state == "queued"
