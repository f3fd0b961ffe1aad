"""Draws the pictures of one entry, in a process of its own, and measures what that takes.

A process for each entry, so that one that crashes or runs out of memory takes no other with it, and so that the
memory of one is not that of those before it. It is told what to draw in one line of JSON on stdin and says what it
does in lines of JSON on stdout; process.py is the other end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from fastclipgen.api import make_job
from fastclipgen.comparison.entries import Entry
from fastclipgen.comparison.meters import CompileClock, Peak
from fastclipgen.comparison.plan import KEY, Slot, stretches
from fastclipgen.config.resources import memory_errors
from fastclipgen.engine.device import resolve_device
from fastclipgen.errors import UserError
from fastclipgen.outputs.images import save_image
from fastclipgen.result import Result

Tell = Callable[[dict[str, Any]], None]
"""Called with what happens: {"event": "start" (with "ticks"), "step", "notice", "picture", "error", ...}."""


class Request(TypedDict):
    """What is to be drawn. pictures: {"prompt", "number", "seed", "path"} of each, as of plan.Slot."""

    entry: str
    settings: dict[str, Any]
    count: int
    pictures: list[dict[str, Any]]


def request_of(slots: Sequence[Slot], count: int) -> Request:
    """The request for these pictures of one entry, of which a prompt has `count`."""
    entry = slots[0].entry
    pictures = [{"prompt": s.prompt, "number": s.number, "seed": s.seed, "path": str(s.path)} for s in slots]
    return {"entry": entry.name, "settings": dict(entry.settings), "count": count, "pictures": pictures}


def draw(request: Request, tell: Tell) -> None:
    """Draws and saves the pictures of a request, in order, as soon as their batch is finished. Raises UserError."""
    entry = Entry(request["entry"], request["settings"])
    slots = [Slot(entry, p["prompt"], p["number"], p["seed"], Path(p["path"])) for p in request["pictures"]]
    device = resolve_device(entry.config(["a"], 1, 0).device)
    peak = Peak(device)
    with memory_errors():
        for part in stretches(slots, request["count"]):
            _draw_together(part, peak, tell)


def _draw_together(slots: Sequence[Slot], peak: Peak, tell: Tell) -> None:
    """Pictures that one job can draw."""
    prompts = list(dict.fromkeys(slot.prompt for slot in slots))
    config = slots[0].entry.config(prompts, len(slots) // len(prompts), slots[0].seed)
    job = make_job(config, notice=lambda line: tell({"event": "notice", "text": line}))
    tell({"event": "start", "ticks": job.ticks(job.steps), "pictures": len(slots), "clip": job.clips})

    def after_step(info: Any) -> None:
        known = None if info.loss is None or info.known is None else float(info.known[1].mean())
        tell({"event": "step", "step": info.step, "loss": known})

    with CompileClock(job.compiling.on) as compiling:
        begun, compiled = time.perf_counter(), 0.0
        for batch in job.run([after_step]):
            ended, spent = time.perf_counter(), compiling.seconds
            cost = {
                "seconds": (ended - begun - (spent - compiled)) / len(batch),
                "compile_seconds": (spent - compiled) / len(batch),
                "peak_bytes": peak.bytes(),
                "drawn_together": len(batch),
                "device": str(peak.device),
            }
            for result in batch:
                _save(result, slots[result.index], cost, tell)
            begun, compiled = time.perf_counter(), spent


def _save(result: Result, slot: Slot, cost: Mapping[str, Any], tell: Tell) -> None:
    of = {"entry": slot.entry.name, "prompt": slot.prompt, "seed": slot.seed, "asked": slot.entry.asked()}
    stored = {**result.metadata, KEY: {**of, **cost, "finite": result.finite}}
    template = str(slot.path).replace("{", "{{").replace("}", "}}")  # braces in its name are no fields
    tell({"event": "picture", "path": str(save_image(result.pixels, template, stored))})


def main(request: Request) -> int:
    """The process: draws, and says how it went. Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # files at hand are tidied up
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print is no event

    def tell(event: dict[str, Any]) -> None:
        print(json.dumps(event), file=events, flush=True)

    try:
        draw(request, tell)
    except UserError as error:
        tell({"event": "error", "text": str(error), "traceback": None})
        return 2
    except Exception as error:  # a fault of one entry, which the others survive, with all that helps to find it
        text = f"{type(error).__name__}: {error}"
        tell({"event": "error", "text": text, "traceback": traceback.format_exc()})
        return 1
    return 0
