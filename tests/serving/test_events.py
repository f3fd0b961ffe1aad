"""Feeds: what listeners get who come late, lose the connection, or are slow."""

from __future__ import annotations

import asyncio
import json
import threading

from fastclipgen.serving.events import KEPT, Event, Feed


def kinds(events: list[Event] | None) -> list[str]:
    assert events is not None
    return [event.kind for event in events]


def test_a_listener_goes_on_where_it_was() -> None:
    feed = Feed()
    feed.publish("state", state="running")
    here = feed.here
    feed.publish("notice", text="a\nb")
    feed.publish("picture", index=0)
    found = feed.since(here)
    assert kinds(found) == ["notice", "picture"]
    assert found is not None
    assert kinds(feed.since(found[0].id)) == ["picture"]
    assert feed.since(feed.here) == []
    lines = found[0].as_sse().decode().split("\n")
    assert lines[:2] == [f"id: {found[0].id}", "event: notice"]
    assert json.loads(lines[2].removeprefix("data: ")) == {"text": "a\nb"}
    assert lines[3:] == ["", ""]


def test_progress_takes_the_place_of_progress() -> None:
    feed = Feed()
    start = feed.here
    for step in range(1000):
        feed.publish("progress", step=step)
    found = feed.since(start)
    assert kinds(found) == ["progress"]
    assert found is not None
    assert json.loads(found[0].data) == {"step": 999}


def test_who_was_away_too_long_is_told() -> None:
    feed = Feed()
    start = feed.here
    for _ in range(KEPT):
        feed.publish("notice", text="")
    assert len(feed.since(start) or []) == KEPT
    feed.publish("notice", text="")
    assert feed.since(start) is None


def test_ids_of_another_server_are_not_taken() -> None:
    feed, other = Feed(), Feed()
    for one in (feed, other):
        one.publish("notice", text="")
    assert feed.since(other.here) is None
    assert feed.since("nonsense") is None
    life = feed.here.partition(".")[0]
    assert feed.since(f"{life}.99") is None
    assert feed.since(f"{life}.x") is None


def test_following_ends_with_the_feed_and_hears_of_silence() -> None:
    feed = Feed()

    async def follow() -> list[list[str] | None]:
        heard: list[list[str] | None] = []
        async for found in feed.follow(feed.here, 0.05):
            heard.append(None if found is None else kinds(found))
            if heard == [[]]:  # silence
                threading.Thread(target=lambda: (feed.publish("notice", text=""), feed.close())).start()
        return heard

    heard = asyncio.run(asyncio.wait_for(follow(), 10))
    assert [one for one in heard if one] == [["notice"]]
    assert heard[0] == []
    assert not feed._listeners


def test_a_listener_that_leaves_is_forgotten() -> None:
    feed = Feed()

    async def leave() -> int:
        task = asyncio.ensure_future(anext(feed.follow(feed.here, 60.0)))
        await asyncio.sleep(0.02)
        there = len(feed._listeners)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return there

    assert asyncio.run(leave()) == 1
    assert not feed._listeners
    feed.publish("notice", text="")  # no loop is left to wake
