"""A batch on one machine: the store is filled from a file, and one or several processes draw what is in it."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.errors import UserError
from fastclipgen.jobs import claims, manifest
from fastclipgen.jobs.items import Item, Refused, make_items
from fastclipgen.jobs.rows import read_rows
from fastclipgen.jobs.store import Store
from fastclipgen.outputs.atomic import check_writable, writing_errors

_LOOK = 0.2  # seconds between looks at what other processes have settled


class Opened(NamedTuple):
    """items: of the batch file, those that were there before too; new: how many were not."""

    items: list[Item]
    refused: list[Refused]
    new: int


class Settled(NamedTuple):
    """An item that became a picture (file) or failed (error)."""

    number: int
    line: int
    prompt: str
    seed: int
    file: str | None
    loss: float | None
    seconds: float | None
    error: str | None


def open_batch(file: Path, folder: Path, defaults: Mapping[str, Any], retry_failed: bool = False) -> Opened:
    """Fill the store in `folder` (made if need be) with the rows of a batch file; what is there stays. defaults:
    settings of rows that say nothing else; their `seed`, or one that the store keeps, is the first picture's. Raises
    UserError."""
    rows = read_rows(file)
    check_writable(folder / "x.png")
    with writing_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder)
    try:
        seed = defaults.get("seed")
        if seed is None:
            seed = int(store.fact("seed", str(secrets.randbits(31))) or 0)
        items, refused = make_items(rows, defaults, seed)
        new = store.add(items, refused)
        if retry_failed:
            store.try_failed_again()
        claims.forgive(store)
        manifest.rewrite(folder, store)
    finally:
        store.close()
    return Opened(items, refused, new)


class Engine(NamedTuple):
    """Who draws. devices: a process for each (None: as the settings say), in this one for a single device. ray: actors
    of a ray cluster instead, as many as there are devices, at `address` (None: a cluster of this machine). trust_gan:
    as of config.run.RunConfig."""

    devices: Sequence[str | None] = (None,)
    ray: bool = False
    address: str | None = None
    trust_gan: bool = False


def draw_batch(
    folder: Path,
    engine: Engine,
    settled: Callable[[Settled], object],
    notice: Callable[[str], None],
    interrupted: Callable[[], bool],
) -> None:
    """Draw what is left in `folder`. `settled` hears of every picture and failure of this call's processes and of
    others on the same folder. Raises UserError where a picture cannot be written, and where all processes have died."""
    store = Store(folder)
    last = store.last_settled()

    def look() -> None:
        nonlocal last
        for number, *row in store.settled(("settled", *Settled._fields), after=last):
            last = number
            settled(Settled(*row))

    try:
        from fastclipgen.jobs.painter import Painter  # loads torch

        devices = engine.devices
        if engine.ray:
            from fastclipgen.jobs.ray_engine import draw_with_ray

            opener = partial(Painter, trust_gan=engine.trust_gan)
            draw_with_ray(folder, engine.address, len(devices), look, notice, interrupted, opener)
        elif len(devices) == 1:
            from fastclipgen.jobs.worker import Watch, work

            watch = Watch(lambda info: None, look, notice, interrupted)
            work(folder, devices[0], watch, partial(Painter, trust_gan=engine.trust_gan))
        else:
            _tell_of_shared_processors(devices, notice)
            _in_processes(folder, engine, look, interrupted)
        look()
        manifest.rewrite(folder, store)
    finally:
        store.close()


def _tell_of_shared_processors(devices: Sequence[str | None], notice: Callable[[str], None]) -> None:
    """Processes are not given fewer threads each: rounding, and so bytes, would differ from those of one process."""
    from fastclipgen.engine.device import resolve_device

    count = sum(resolve_device(device or "auto").type == "cpu" for device in devices)
    if count > 1:
        notice(
            f"{count} processes share the processors that one would use all of, which is mostly slower; draw with one, "
            "or add --devices with a GPU for each"
        )


def _in_processes(folder: Path, engine: Engine, look: Callable[[], object], interrupted: Callable[[], bool]) -> None:
    context = multiprocessing.get_context("spawn")
    over = context.Event()
    processes = [context.Process(target=child, args=(folder, device, engine, over)) for device in engine.devices]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        if interrupted():
            over.set()
        time.sleep(_LOOK)
        look()
    if not interrupted() and all(process.exitcode for process in processes):
        raise UserError(
            "all processes of the batch ended with an error, which is said above; run the same command again to go on"
        )


def child(folder: Path, device: str | None, engine: Engine, over: Event) -> None:
    """One of the engine's processes, which draws until `over`; ends the process with 2 after a user's error."""
    import torch

    from fastclipgen.jobs.painter import Painter
    from fastclipgen.jobs.worker import Watch, work

    # Ctrl-C reaches all processes of a terminal; the first one decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def notice(line: str) -> None:
        print(f"fastclipgen: {line}", file=sys.stderr, flush=True)

    if device in (None, "cpu"):
        torch.set_num_threads(max(1, torch.get_num_threads() // len(engine.devices)))
    watch = Watch(
        lambda info: None,
        lambda: None,
        notice,
        lambda: over.is_set() or os.getppid() != parent,
    )
    try:
        work(folder, device, watch, partial(Painter, trust_gan=engine.trust_gan))
    except UserError as error:
        notice(f"error: {error}")
        sys.exit(2)
