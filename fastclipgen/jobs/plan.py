"""How a batch file would be drawn, in what memory and about what time, without drawing anything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.api import Job
from fastclipgen.engine.memory import format_bytes
from fastclipgen.errors import UserError
from fastclipgen.jobs.items import Item, Refused, make_items
from fastclipgen.jobs.painter import Painter
from fastclipgen.jobs.rows import read_rows
from fastclipgen.jobs.status import duration
from fastclipgen.jobs.store import Group


class GroupPlan(NamedTuple):
    """pictures with equal settings, drawn `together` at a time in `packs`. settings: the decided ones that people ask
    for; bytes, seconds: of a pack at work and of all packs, None where nothing is known ahead; error: why none can be
    drawn."""

    pictures: int
    packs: int
    together: int
    settings: dict[str, Any]
    bytes: int | None = None
    seconds: float | None = None
    error: str | None = None

    def line(self) -> str:
        """For people."""
        if self.error is not None:
            return f"{self.pictures} pictures cannot be drawn: {self.error}"
        what = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        packs = f"{self.packs} {'pack' if self.packs == 1 else 'packs'} of up to {self.together}"
        size = "" if self.bytes is None else f"; about {format_bytes(self.bytes)} at work"
        time = "; time unknown before it is tried" if self.seconds is None else f"; about {duration(self.seconds)}"
        return f"{self.pictures} pictures in {packs}: {what}{size}{time}"


class Plan(NamedTuple):
    """seconds: of all groups of which it is known, shared among `processes`."""

    groups: list[GroupPlan]
    refused: list[Refused]
    processes: int

    @property
    def seconds(self) -> float:
        return sum(group.seconds or 0 for group in self.groups) / self.processes

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "groups": [group._asdict() for group in self.groups],
            "refused": [row._asdict() for row in self.refused],
            "processes": self.processes,
            "seconds": self.seconds,
        }

    def lines(self) -> list[str]:
        """For people."""
        total = sum(group.pictures for group in self.groups)
        shared = f" by {self.processes} processes" if self.processes > 1 else ""
        return [
            *(group.line() for group in self.groups),
            *(f"line {row.line} cannot be drawn: {row.error}" for row in self.refused),
            f"{total} pictures in {len(self.groups)} {'group' if len(self.groups) == 1 else 'groups'}, "
            f"about {duration(self.seconds)}{shared}; times are guesses from the arithmetic, but for settings that "
            "'fastclipgen warmup' has measured",
        ]


def plan_batch(
    file: Path, defaults: Mapping[str, Any], devices: Sequence[str | None], notice: Callable[[str], None]
) -> Plan:
    """The plan of a batch file on these devices, one process each. Loads the models of every group, one after the
    other. Raises UserError for a file that cannot be read."""
    items, refused = make_items(read_rows(file), defaults, defaults.get("seed") or 0)
    unlike = {item.key: item for item in items}.values()  # equal rows are one picture
    groups = Counter(item.group for item in unlike)
    plans = [_of_group(settings, [i for i in unlike if i.group == settings], devices[0], notice) for settings in groups]
    return Plan(plans, refused, len(devices))


def _of_group(settings: str, items: Sequence[Item], device: str | None, notice: Callable[[str], None]) -> GroupPlan:
    count = len(items)
    try:
        painter = Painter(Group(0, settings, None, [item.prompt for item in items]), device, notice)
    except UserError as error:
        return GroupPlan(count, 0, 0, json.loads(settings), error=str(error))
    config, together = painter.job.config, min(painter.together, count)
    packs = -(-count // together)
    shown = {"generator": config.generator, "size": f"{config.width}x{config.height}", "steps": painter.job.steps}
    if not isinstance(painter.job, Job):
        return GroupPlan(count, packs, together, shown | {"candidates": config.candidates})
    size, seconds = painter.job.foretell(min(together, painter.job.batch))
    turns = packs * -(-together // painter.job.batch)
    return GroupPlan(count, packs, together, shown | {"views": config.views}, size, seconds * turns)
