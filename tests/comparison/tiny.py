"""Small plans, and drawing in this process instead of one of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastclipgen.comparison import worker
from fastclipgen.comparison.entries import make_entries
from fastclipgen.comparison.plan import Plan
from fastclipgen.comparison.process import Failure
from fastclipgen.comparison.worker import Request, Tell
from fastclipgen.errors import UserError

PROMPTS = ("a red circle on a blue background", "a fox|snow:2")
SETTINGS = {
    "clip": ["builtin"], "steps": 2, "width": 16, "height": 16, "views": 2, "starts": 4, "tracks": 1, "device": "cpu",
    "compile": "off",
}  # fmt: skip


def plan_in(folder: Path, *own: str, prompts: tuple[str, ...] = PROMPTS, count: int = 1) -> Plan:
    """Entries `pixels` and `fourier`, or those of the texts `own`."""
    entries, _ = make_entries([] if own else ["fourier", "pixels"], own, SETTINGS)
    return Plan(prompts, count, 5, tuple(entries), folder)


def draw_here(request: Request, tell: Tell, interrupted: Callable[[], bool]) -> Failure | None:
    """As process.draw, without the process."""
    try:
        worker.draw(request, tell)
    except UserError as error:
        return Failure(str(error))
    return None
