"""The thread that owns the device: takes the run whose turn it is, draws it, keeps its pictures, takes the next."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from fastclipgen.config.run import RunConfig
from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import replace_file
from fastclipgen.outputs.images import encode
from fastclipgen.result import Result
from fastclipgen.serving.desk import Desk
from fastclipgen.serving.experiment_reading import ExperimentReader
from fastclipgen.serving.experiment_work import ExperimentWork
from fastclipgen.serving.live import Live
from fastclipgen.serving.models import Picture
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.store import Kept, Row, State
from fastclipgen.serving.trace import Trace
from fastclipgen.serving.work import Work, file_name

_log = logging.getLogger("fastclipgen.serving")


class Makes(Protocol):
    """What is needed of work.Maker; see there."""

    @property
    def reader(self) -> ExperimentReader: ...

    def check(self, config: RunConfig) -> None: ...

    def make(self, settings: dict[str, Any], notice: Callable[[str], None], desk: Desk) -> Work: ...

    def as_asked(self, text: str) -> str: ...


class Worker(threading.Thread):
    """Ends when the queue is closed."""

    def __init__(self, queue: Queue, maker: Makes) -> None:
        super().__init__(name="fastclipgen-device", daemon=True)
        self._queue, self._maker = queue, maker

    def run(self) -> None:
        while (row := self._queue.next()) is not None:
            live = self._queue.live
            assert live is not None
            try:
                state, error = self._draw(row, live), None
            except UserError as mistake:
                state, error = "failed", self._maker.as_asked(str(mistake))
            except Exception:  # one run must not end the server
                _log.exception("run %s broke", row.id)
                state, error = "failed", "the server failed to draw this run; its log says why"
            if state is not None:
                self._trace(row).keep_figures(live.desk.points)
            self._queue.finished(state, error)
            _log.info("run %s: %s", row.id, state or "left the device")

    def _draw(self, row: Row, live: Live) -> State | None:
        """The state in which the run is over; None where it left the device before."""
        store = self._queue.store
        done = {kept.index for kept in store.pictures(row.number)}
        settings = json.loads(row.settings)
        work = self._maker.make(settings, lambda line: live.notice(self._maker.as_asked(line)), live.desk)
        live.first = work.first(done)
        live.begin(work.device, work.ticks(done))
        broken = 0
        for batch in work.run(done, [live.after_step], live.over):
            if live.stopped == "left":
                return None  # begun again, it is drawn to the end
            if live.stopped is None and (asked := live.desk.take()) is not None:
                self._update(row, work, asked, live)
                continue
            store.keep(row.number, [self._written(row, result) for result in batch])
            starts = ((result.index, live.gallery.start(result.index)) for result in batch)
            self._trace(row).keep_starts((index, pixels) for index, pixels in starts if pixels is not None)
            live.first += len(batch)
            broken += sum(not result.finite for result in batch)
            for result in batch:
                live.feed.publish("picture", index=result.index)
        if live.stopped is not None:
            return "cancelled" if live.stopped == "cancelled" else None
        if broken:
            raise UserError(
                f"the loss of {broken} pictures became NaN or infinite, and their last finite state was saved; lower "
                "the learning_rate or use precision fp32"
            )
        return "done"

    def _update(self, row: Row, work: Work, asked: dict[str, Any], live: Live) -> None:
        """What cannot be is told, and the run goes on as it was."""
        error = None
        try:
            assert isinstance(work, ExperimentWork)
            live.go_on(work.update(asked))
            self._queue.store.change_settings(row.number, json.dumps(asked))
        except UserError as mistake:
            error = self._maker.as_asked(str(mistake))
        live.feed.publish("updated", experiment=asked["experiment"], error=error)

    def _trace(self, row: Row) -> Trace:
        return Trace(self._queue.folder / row.id)

    def _written(self, row: Row, result: Result) -> Kept:
        """The picture's file is there before the store knows of it. After a kill in between it is drawn and written
        again: nobody else writes into the folder of a run."""
        content, height, width = encode(result.pixels, "PNG", result.metadata), *result.pixels.shape[:2]
        file = row.id / file_name(result)
        replace_file(self._queue.folder / file, lambda target: target.write(content))
        facts = Picture(
            index=result.index, prompt=result.prompt, seed=result.seed, width=width, height=height,
            steps=result.steps, loss=result.loss, similarities=result.similarities, finite=result.finite,
        )  # fmt: skip
        return Kept(result.index, str(file), facts.model_dump_json())
