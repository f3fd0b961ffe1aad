"""The parts put together behind a port: store, queue, the thread that draws, the application and its guard."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn

from fastclipgen.errors import UserError
from fastclipgen.serving.app import create_app
from fastclipgen.serving.batches import Batches, add_batches
from fastclipgen.serving.limits import Limits
from fastclipgen.serving.places import Places
from fastclipgen.serving.queue import Queue
from fastclipgen.serving.security import Guard, Rules
from fastclipgen.serving.store import Store
from fastclipgen.serving.studio import add_studio
from fastclipgen.serving.work import Maker
from fastclipgen.serving.worker import Makes, Worker

CONNECTIONS = 1024
_log = logging.getLogger("fastclipgen.serving")
_GRACE = 5  # seconds that open answers have when the server ends
_STEP = 60.0  # seconds for the step at hand


@dataclass(frozen=True)
class Settings:
    """folder: of the store and the pictures; models: where requests may name files; port 0: any that is free; opened:
    YAML files that the studio begins with; None: no studio, the API alone; batches: a folder of batches that may be
    looked at."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    models: Path | None = None
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)
    opened: tuple[Path, ...] | None = None
    batches: Path | None = None


class Service:
    """A server that listens, at `address`, and draws. Raises UserError for what cannot be: the rules, the folder, the
    port. maker: makes work of requests; none: that of work.py."""

    def __init__(self, settings: Settings, maker: Makes | None = None) -> None:
        self.settings, limits = settings, settings.limits
        rules = Rules(settings.host, settings.token, limits.body, limits.seconds, settings.opened is not None)
        maker = maker or Maker(Places(settings.models), limits, settings.device)
        self._listening = listen(settings.host, settings.port)
        try:
            self._store = Store(settings.folder)
        except UserError:
            self._listening.close()
            raise
        for row in self._store.recover():
            _log.warning("run %s: failed, the server died under it again and again", row.id)
        self.queue = Queue(self._store, settings.folder, limits)
        self._worker = Worker(self.queue, maker)
        app = create_app(self.queue, maker, limits, token=settings.token is not None)
        if settings.batches is not None:
            add_batches(app, Batches(settings.batches))
        if settings.opened is not None:
            add_studio(app, settings.opened, settings.batches is not None)
        config = uvicorn.Config(
            Guard(app, rules),  # pyright: ignore[reportArgumentType] - the types of ASGI are written in many ways
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
            lifespan="off",
            ws="none",
        )
        self._server = _Server(config, self.queue.close)
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"http://{name}:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        """Serve until `stop`, SIGINT or SIGTERM. The run at hand waits for the next server."""
        self._worker.start()
        try:
            self._server.run(sockets=[self._listening])
        finally:
            self.queue.close()
            self._worker.join(_STEP)
            if not self._worker.is_alive():  # else the next server finds the run as after a kill
                self._store.close()

    def stop(self) -> None:
        """From any thread."""
        self.queue.close()
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Tells the queue before it waits for open streams, which end with the queue's feeds."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again in the end, and a SIGTERM would then end the process before the run at
        # hand is put back
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # not here: a signal may come while this thread has the queue's lock
        threading.Thread(target=self._ending).start()
        super().handle_exit(sig, frame)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UserError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(512)
        return found
    except (OSError, OverflowError) as error:
        raise UserError(f"cannot listen to {host}:{port} ({error}); choose another --port or --host") from None
