"""What the drawing thread keeps, and what it does not draw again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastclipgen.serving.limits import Limits
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.store import Kept, Store
from fastclipgen.serving.worker import Worker

from .drawing import Fake, settings_of, wait_until


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(Store(tmp_path), tmp_path, Limits())


def draw(queue: Queue, fake: Fake, run: str) -> Any:
    worker = Worker(queue, fake)
    worker.start()
    wait_until(lambda: queue.find(run).state in ("done", "failed"))
    queue.close()
    worker.join(10)
    assert not worker.is_alive()
    return queue.find(run)


def test_pictures_that_are_there_are_not_drawn_again(queue: Queue, tmp_path: Path) -> None:
    row = queue.submit("a", "", json.dumps(settings_of(count=3)))
    queue.store.keep(row.number, [Kept(0, f"{row.id}/0000-x.png", '{"kept": true}')])
    draw(queue, Fake(), row.id)
    kept = queue.store.pictures(row.number)
    assert [(one.index, one.facts == '{"kept": true}') for one in kept] == [(0, True), (1, False), (2, False)]
    assert sorted(file.name for file in (tmp_path / row.id).glob("*.png")) == ["0001-a-fox-2.png", "0002-a-fox-3.png"]


def test_a_file_that_a_kill_left_unknown_is_written_again(queue: Queue, tmp_path: Path) -> None:
    row = queue.submit("a", "", json.dumps(settings_of()))
    (tmp_path / row.id).mkdir()
    (tmp_path / row.id / "0000-a-fox-1.png").write_bytes(b"half of it")
    draw(queue, Fake(), row.id)
    [file] = (tmp_path / row.id).glob("*.png")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_prompts_cannot_name_files_elsewhere(queue: Queue, tmp_path: Path) -> None:
    row = queue.submit("a", "", json.dumps(settings_of("../../../etc/passwd \0 {seed} con")))
    draw(queue, Fake(), row.id)
    [kept] = queue.store.pictures(row.number)
    assert (tmp_path / kept.file).resolve().parent == (tmp_path / row.id).resolve()
    assert (tmp_path / kept.file).is_file()


def test_a_disk_that_takes_nothing_is_told(queue: Queue, tmp_path: Path) -> None:
    row = queue.submit("a", "", json.dumps(settings_of()))
    (tmp_path / row.id).write_bytes(b"a file where the folder should be")
    found = draw(queue, Fake(), row.id)
    assert found.state == "failed"
    assert "cannot write" in found.error
    assert queue.store.pictures(row.number) == []
