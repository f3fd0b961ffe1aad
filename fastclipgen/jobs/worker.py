"""One worker: claims packs until none is left, draws them, keeps the pictures. Knows no command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.errors import UserError
from fastclipgen.jobs import claims, keep
from fastclipgen.jobs.claims import Pack
from fastclipgen.jobs.drawn import Draws, Opener, draw
from fastclipgen.jobs.painter import Painter
from fastclipgen.jobs.store import Group, Store
from fastclipgen.jobs.workers import own_name

BEAT = 5.0  # seconds between signs of life
_LOOK = 1.0  # seconds between looks whether another worker's pack has become free


class Watch(NamedTuple):
    """What hears of the work: every step, every pack that is settled, what cannot be done; and who may stop it."""

    step: Callable[[Any], object]
    settled: Callable[[], object]
    notice: Callable[[str], None]
    interrupted: Callable[[], bool]


def work(folder: Path, device: str | None, watch: Watch, open_group: Opener = Painter) -> None:
    """Draw what is left of the batch in `folder`, with other workers if there are any. Ends when nothing is left to
    draw, by this worker or another, or when it is interrupted; a pack that is interrupted is dropped. Raises UserError
    where a picture cannot be written."""
    store, name = Store(folder), own_name()
    painter: Draws | None = None

    def opened(group: Group) -> Draws | None:
        try:
            return open_group(group, device, watch.notice)
        except UserError as error:
            keep.failed_group(folder, store, group.id, str(error))
            watch.notice(f"{len(group.prompts)} pictures cannot be drawn: {error}")
            return None

    try:
        with signs_of_life(folder, name):
            while not watch.interrupted():
                pack = claims.claim(store, name, painter.group if painter else None, keep.TRIES)
                if pack is not None:
                    if painter is None or painter.group != pack.group:
                        painter = None  # before the next one takes its memory
                        painter = opened(store.group(pack.group))
                    if painter is not None:
                        _draw(store, folder, painter, pack, name, watch)
                    continue
                group = store.undivided()
                if group is not None:
                    painter = None
                    painter = opened(group)
                    if painter is not None:
                        store.divide(group.id, painter.decided, painter.together)
                elif claims.others(store, name):
                    time.sleep(_LOOK)
                else:
                    return
    finally:
        claims.release(store, name)
        store.close()


def _draw(store: Store, folder: Path, painter: Draws, pack: Pack, name: str, watch: Watch) -> None:
    found = draw(painter, pack.items, [watch.step], watch.interrupted)
    if isinstance(found, str):
        keep.failed_pack(folder, store, pack, name, found)
        watch.notice(f"a pack of {len(pack.items)} could not be drawn: {found}")
    elif found is not None and keep.pictures(folder, store, pack, name, found):
        watch.settled()


@contextmanager
def signs_of_life(folder: Path, name: str) -> Iterator[None]:
    """While entered, a thread says that the worker of this name is alive."""
    over = threading.Event()

    def beat() -> None:
        store = Store(folder)
        while not over.wait(BEAT):
            with suppress(Exception):  # a disk that is full for a while is no reason to die
                claims.beat(store, name)
        store.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
