"""The routes of the HTTP API. Each asks the queue and the store; what they answer is in models.py.

Routes that touch the disk are plain functions, which FastAPI runs in threads; the event stream alone lives in the loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from inspect import cleandoc
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from fastclipgen import __version__
from fastclipgen.serving import answers, events, models
from fastclipgen.serving.answers import ALWAYS, EVENTS, PNG, problems
from fastclipgen.serving.asking import Id, Index, client_of, told
from fastclipgen.serving.experiment_routes import add_experiments
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.problems import NotFound, TooMany, WrongState
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.snapshots import encode_fast
from fastclipgen.serving.store import OVER, Row, State
from fastclipgen.serving.streams import events_of
from fastclipgen.serving.trace import Trace
from fastclipgen.serving.worker import Makes

PAGE = 50  # runs, where the client does not say


def create_app(queue: Queue, maker: Makes, limits: Limits, token: bool = False) -> FastAPI:
    """The application. token: whether requests need one (security.py asks for it), which /openapi.json then says."""
    app = FastAPI(
        title="fastclipgen", version=__version__, docs_url=None, redoc_url=None, responses=problems(*ALWAYS),
        description="Runs of fastclipgen: hand one in, follow it, get its pictures. Runs belong to the server: they go "
        "on when nobody listens, and are begun again after the server was ended. See docs/api.md.",
    )  # fmt: skip
    app.state.streams = 0
    answers.add_handlers(app)
    _add_runs(app, queue, maker)
    _add_changes(app, queue)
    add_experiments(app, queue, maker)
    _add_pictures(app, queue)
    _add_about(app, queue, limits)
    _add_events(app, queue, limits)
    if token:
        _document_token(app)
    return app


def _add_runs(app: FastAPI, queue: Queue, maker: Makes) -> None:
    @app.post("/api/runs", status_code=201, responses=problems(400, 429), tags=["runs"])
    def submit(body: models.Submission, client: Annotated[str, Depends(client_of)], answer: Response) -> models.Run:
        """Hand in a run. It waits for its turn; clients take turns."""
        maker.check(body.config())
        row = queue.submit(client, body.title, body.stored())
        answer.headers["Location"] = f"/api/runs/{row.id}"
        return told(queue, [row])[0]

    @app.get("/api/runs", tags=["runs"])
    def runs(
        state: State | None = None,
        client: Annotated[str | None, Query(max_length=64)] = None,
        before: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="a run's number: only older ones")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
    ) -> models.Runs:
        """Runs, the newest first."""
        rows = queue.store.page(state, client, before, limit)
        return models.Runs(runs=told(queue, rows), next=rows[-1].number if len(rows) == limit else None)

    @app.get("/api/runs/{id}", responses=problems(404), tags=["runs"])
    def run(id: Id) -> models.Run:
        """A run: its state, how far it is, its pictures."""
        return told(queue, [queue.find(id)])[0]

    @app.delete("/api/runs/{id}", status_code=204, responses=problems(404, 409), tags=["runs"])
    def delete(id: Id) -> None:
        """Forget a run that is over, with its pictures."""
        queue.delete(id)


def _add_changes(app: FastAPI, queue: Queue) -> None:
    def changed_by(change: Callable[[str], Row]) -> Callable[[str], models.Run]:
        def route(id: Id) -> models.Run:
            return told(queue, [change(id)])[0]

        return route

    for change in (queue.cancel, queue.pause, queue.resume):
        app.post(
            f"/api/runs/{{id}}/{change.__name__}", name=change.__name__, tags=["runs"], responses=problems(404, 409),
            description=cleandoc(change.__doc__ or ""),
        )(changed_by(change))  # fmt: skip


def _add_pictures(app: FastAPI, queue: Queue) -> None:
    seen = {304: {"description": "the client has it"}, 200: {"content": PNG, "description": "a PNG"}}

    @app.get("/api/runs/{id}/result", responses=problems(404, 409) | seen, response_class=Response, tags=["pictures"])
    def result(id: Id, request: Request, index: Index = 0) -> Response:
        """A finished picture, with its settings inside."""
        if (found := _finished(queue, queue.find(id), index, request)) is not None:
            return found
        row = queue.find(id)
        if row.state in OVER:
            raise NotFound(f"the run '{id}' is {row.state} and has no picture {index}; its `pictures` are those it has")
        raise WrongState(f"picture {index} of the run '{id}' is not finished; follow /api/runs/{id}/events")

    @app.get("/api/runs/{id}/picture", responses=problems(404) | seen, response_class=Response, tags=["pictures"])
    def newest(id: Id, request: Request, index: Index = 0, start: bool = False) -> Response:
        """The picture as it is now: the finished one, or the newest snapshot, of which there are at most ten a
        second. start: instead the first snapshot that there was."""
        row, live = queue.find(id), queue.live
        if start:
            first = live.gallery.start(index) if live is not None and live.id == id else None
            content = Trace(queue.folder / row.id).start(index) if first is None else encode_fast(first)
            if content is None:
                raise NotFound(f"there is no first snapshot of picture {index} of the run '{id}'")
            return answers.picture(request, f"start-{index}", content)
        if (found := _finished(queue, row, index, request)) is not None:
            return found
        snapshot = live.gallery.png(index) if live is not None and live.id == id else None
        if snapshot is None:
            raise NotFound(f"nothing is to be seen of picture {index} of the run '{id}', which is {row.state}")
        return answers.picture(request, *snapshot)


def _finished(queue: Queue, row: Row, index: int, request: Request) -> Response | None:
    for kept in queue.store.pictures(row.number):
        if kept.index == index:
            try:
                content = (queue.folder / kept.file).read_bytes()
            except FileNotFoundError:
                raise NotFound(f"the file of picture {index} of the run '{row.id}' is gone") from None
            # names hold letters of every script, headers none: the browser gets the number
            return answers.picture(request, f"final-{index}", content, f"{row.id}-{index:04}.png")
    return None


def _add_about(app: FastAPI, queue: Queue, limits: Limits) -> None:
    @app.get("/api", tags=["server"])
    def about() -> models.About:
        """The server, and what a request may ask of it."""
        live = queue.live
        return models.About(
            version=__version__, waiting=len(queue.store.waiting()), running=live.id if live else None,
            limits=asdict(limits),
        )  # fmt: skip


def _add_events(app: FastAPI, queue: Queue, limits: Limits) -> None:
    stream = {200: {"content": EVENTS, "description": "events"}}
    ended = {204: {"description": "the run is over and the client knows"}}

    @app.get(
        "/api/runs/{id}/events", responses=problems(404, 429) | stream | ended, response_class=StreamingResponse,
        tags=["runs"],
    )  # fmt: skip
    async def follow(id: Id, last_event_id: Annotated[str | None, Header(max_length=64)] = None) -> Response:
        """What happens to the run, as server-sent events: `run` (all of it: at first and at the end), `state`,
        `progress`, `notice`, `picture` (one is finished). Send the header Last-Event-ID to go on behind an event."""
        row = await run_in_threadpool(queue.find, id)
        if row.state in OVER and last_event_id == events.OVER:
            return Response(status_code=204)
        if app.state.streams >= limits.streams:
            raise TooMany(f"{limits.streams} event streams are open, which is the most; close one, or ask again later")

        async def counted() -> AsyncIterator[bytes]:
            app.state.streams += 1
            try:
                async for piece in events_of(queue, id, last_event_id, lambda: told(queue, [queue.find(id)])[0]):
                    yield piece
            finally:
                app.state.streams -= 1

        return StreamingResponse(counted(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _document_token(app: FastAPI) -> None:
    plain = app.openapi

    def with_token() -> dict[str, Any]:
        schema = plain()
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}]
        return schema

    app.openapi = with_token  # FastAPI's own way to change it
