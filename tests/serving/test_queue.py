"""Whose turn it is, and what may be done to a run in each state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastclipgen.serving.limits import Limits
from fastclipgen.serving.problems import NotFound, TooMany, WrongState
from fastclipgen.serving.queue import TOO_LATE, Queue, turns
from fastclipgen.serving.store import Row, Store


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(Store(tmp_path), tmp_path, Limits(queue=5, client_queue=3, hold=1))


def submit(queue: Queue, client: str, title: str = "") -> Row:
    return queue.submit(client, title, "{}")


def test_clients_take_turns() -> None:
    waiting = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("b2", "b")]
    assert turns(waiting, {}) == ["a1", "b1", "c1", "a2", "b2", "a3"]
    # c has waited longest, then b
    assert turns(waiting, {"a": 30.0, "b": 20.0, "c": 10.0}) == ["c1", "b1", "a1", "b2", "a2", "a3"]
    assert turns([], {"a": 1.0}) == []


def test_a_client_with_many_runs_does_not_keep_others_waiting(queue: Queue) -> None:
    many = [submit(queue, "many").id for _ in range(3)]
    one = submit(queue, "one").id
    assert queue.ahead([queue.find(one)]) == {many[0]: 0, one: 1, many[1]: 2, many[2]: 3}
    order = []
    for _ in range(4):
        row = queue.next()
        assert row is not None
        assert row.state == "running"
        order.append(row.id)
        queue.finished("done")
    assert order == [many[0], one, many[1], many[2]]


def test_the_queue_is_limited_for_all_and_for_each(queue: Queue) -> None:
    for _ in range(3):
        submit(queue, "a")
    with pytest.raises(TooMany, match="3 runs of client 'a' wait already"):
        submit(queue, "a")
    submit(queue, "b")
    paused = submit(queue, "b")
    queue.pause(paused.id)  # holds its place
    with pytest.raises(TooMany, match="5 runs of this server"):
        submit(queue, "c")
    queue.cancel(paused.id)
    submit(queue, "c")


def test_a_paused_run_loses_its_turn_until_it_is_resumed(queue: Queue) -> None:
    first, second = submit(queue, "a"), submit(queue, "a")
    assert queue.pause(first.id).state == "paused"
    assert queue.ahead([queue.find(second.id)]) == {second.id: 0}
    assert queue.resume(first.id).state == "queued"
    assert queue.ahead([queue.find(second.id)]) == {first.id: 0, second.id: 1}


def test_what_is_over_stays_so(queue: Queue) -> None:
    run = submit(queue, "a")
    assert queue.cancel(run.id).state == "cancelled"
    for change in (queue.cancel, queue.pause, queue.resume):
        with pytest.raises(WrongState, match="is cancelled"):
            change(run.id)
    queue.delete(run.id)
    with pytest.raises(NotFound):
        queue.find(run.id)


def test_only_what_is_over_can_be_deleted(queue: Queue) -> None:
    run = submit(queue, "a")
    with pytest.raises(WrongState, match="cancel it before"):
        queue.delete(run.id)
    with pytest.raises(WrongState, match="cannot be resumed"):
        queue.resume(run.id)


def test_a_live_run_is_asked_to_stop_and_to_pause(queue: Queue) -> None:
    submit(queue, "a")
    row = queue.next()
    live = queue.live
    assert row is not None
    assert live is not None
    assert queue.pause(row.id).state == "paused"
    assert live.paused
    assert queue.resume(row.id).state == "running"
    assert not live.paused
    assert queue.cancel(row.id).state == "running"  # until the step at hand is done
    assert live.stopped == "cancelled"
    queue.finished("cancelled")
    assert queue.find(row.id).state == "cancelled"


@pytest.mark.parametrize(("paused", "state"), [(True, "paused"), (False, "queued")])
def test_a_run_that_leaves_the_device_begins_again(queue: Queue, paused: bool, state: str) -> None:
    submit(queue, "a")
    row = queue.next()
    assert row is not None
    if paused:
        queue.pause(row.id)
    queue.close()
    assert queue.live is not None
    assert queue.live.stopped == "left"
    queue.finished(None)
    assert queue.find(row.id).state == state
    assert queue.next() is None


def test_feeds_end_with_their_runs(queue: Queue) -> None:
    run = submit(queue, "a")
    feed = queue.feed(run.id)
    assert queue.feed(run.id) is feed
    queue.cancel(run.id)
    assert feed.closed
    assert queue.feed(run.id).closed


def test_an_update_that_comes_when_the_last_picture_is_done_is_answered(queue: Queue) -> None:
    row = submit(queue, "a")
    feed = queue.feed(row.id)
    assert queue.next() is not None
    queue.update(row.id, {"experiment": "epochs: 3"})
    queue.finished("done")
    told = [json.loads(data) for _, kind, data in feed._events if kind == "updated"]
    assert told == [{"experiment": "epochs: 3", "error": TOO_LATE}]
    assert queue.find(row.id).settings == "{}"


def test_an_update_of_a_run_that_leaves_the_device_holds_when_it_begins_again(queue: Queue) -> None:
    row = submit(queue, "a")
    assert queue.next() is not None
    queue.update(row.id, {"experiment": "epochs: 3"})
    queue.finished(None)
    assert json.loads(queue.find(row.id).settings) == {"experiment": "epochs: 3"}
