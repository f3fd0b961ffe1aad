"""The event stream of a run, as bytes of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from fastclipgen.serving import events
from fastclipgen.serving.events import Event
from fastclipgen.serving.models import Run
from fastclipgen.serving.problems import NotFound
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.store import OVER

BEAT = 15.0  # seconds after which silence is broken, so that a lost connection is noticed


async def events_of(queue: Queue, id: str, last: str | None, whole: Callable[[], Run]) -> AsyncIterator[bytes]:
    """The events behind `last`, or the whole run and those behind it, until the run is over or the server ends. Where
    events were lost the whole run takes their place, so a listener is never wrong for long."""
    while True:
        try:
            run = await run_in_threadpool(whole)
        except NotFound:  # deleted meanwhile
            return
        if run.state in OVER:
            yield Event(events.OVER, "run", run.model_dump_json()).as_sse()
            return
        feed = queue.feed(id)
        if last is None or feed.since(last) is None:
            last = feed.here
            run = await run_in_threadpool(whole)  # again, as it is at that place
            yield Event(last, "run", run.model_dump_json()).as_sse()
        async for found in feed.follow(last, BEAT):
            if found is None:
                last = None
                break
            for event in found:
                last = event.id
                yield event.as_sse()
            if not found:
                yield b": \n\n"
        else:
            if queue.closing:
                return
