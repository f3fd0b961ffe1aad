"""Which pictures a comparison has, where each lies, and whether what lies there already belongs to it.

A picture that is there is done: its file says which entry made it, of what, with which settings, in what time. There is
no other record of how far a comparison has come.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastclipgen.comparison.entries import Entry
from fastclipgen.config.run import MAX_SEED
from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.outputs.atomic import writing_errors
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.outputs.naming import slugify

KEY = "comparison"  # in a picture's metadata
PICTURES = "pictures"
_SLUG_BYTES = 60


@dataclass(frozen=True)
class Slot:
    """One picture of one entry. number: of its prompt, from 0; path: of its file."""

    entry: Entry
    prompt: str
    number: int
    seed: int
    path: Path


@dataclass(frozen=True)
class Plan:
    """`count` pictures of every prompt by every entry; the seeds are those of one run of all prompts: `seed`, + 1, ...

    Raises UserError for no prompts or entries, the same prompt twice, an unreadable prompt, and numbers out of range.
    """

    prompts: tuple[str, ...]
    count: int
    seed: int
    entries: tuple[Entry, ...]
    folder: Path

    def __post_init__(self) -> None:
        if not self.prompts or not self.entries:
            what = "prompt" if not self.prompts else "entry"
            raise UserError(f"a comparison needs at least one {what}, got none")
        if self.count < 1:
            raise UserError(f"a comparison needs at least one picture of a prompt, got count {self.count}")
        if not 0 <= self.seed <= MAX_SEED + 1 - len(self.prompts) * self.count:
            raise UserError(f"expected a seed from 0, with all pictures' seeds up to {MAX_SEED}, got {self.seed}")
        for prompt in self.prompts:
            parse_prompts(prompt)
            if self.prompts.count(prompt) > 1:
                raise UserError(f"the prompt '{prompt}' is there twice; more pictures of each prompt are -n COUNT")

    @property
    def row_heads(self) -> list[str]:
        """What is asked of each row of pictures, prompt after prompt, seed after seed."""
        return [prompt if self.count == 1 else f"{prompt} ({self._seed(n, k)})" for n, prompt, k in self._rows()]

    def slots(self, entry: Entry) -> list[Slot]:
        """All pictures of an entry, in the order of `row_heads`."""
        home = self.folder / PICTURES / entry.slug
        found = []
        for number, prompt, k in self._rows():
            seed = self._seed(number, k)
            path = home / f"{slugify(prompt, limit=_SLUG_BYTES)}-{seed}.png"
            found.append(Slot(entry, prompt, number, seed, path))
        return found

    def identity(self) -> dict[str, Any]:
        """What makes it this comparison, as plain values for JSON."""
        entries = {entry.name: entry.asked() for entry in self.entries}
        return {"prompts": list(self.prompts), "count": self.count, "seed": self.seed, "entries": entries}

    def _rows(self) -> list[tuple[int, str, int]]:
        return [(number, prompt, k) for number, prompt in enumerate(self.prompts) for k in range(self.count)]

    def _seed(self, number: int, k: int) -> int:
        return self.seed + number * self.count + k


def kept(slot: Slot) -> dict[str, Any] | None:
    """The metadata of the picture that is at the slot's place already; None for no file. Raises UserError for a file
    that is not this picture."""
    if not os.path.lexists(slot.path):
        return None
    metadata = read_metadata(slot.path)
    stored = metadata.get(KEY)
    if not isinstance(stored, dict) or not isinstance(stored.get("asked"), dict):
        raise UserError(f"'{slot.path}' is no picture of a comparison; give another folder with -o")
    of = {"entry": slot.entry.name, "prompt": slot.prompt, "seed": slot.seed}
    _compare({name: stored.get(name) for name in of}, of, f"'{slot.path}'")
    _compare(stored["asked"], slot.entry.asked(), f"the pictures of '{slot.entry.name}' in '{slot.path.parent}'")
    return metadata


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raises UserError where the comparison `before` in the folder cannot grow into the one that is asked for `now`
    (see Plan.identity): prompts may follow and entries may be added, nothing else may differ."""
    where = f"the comparison in '{folder}'"
    for name in ("seed", "count"):
        _compare({name: before[name]}, {name: now[name]}, where)
    old, new = before["prompts"], now["prompts"]
    for number, prompt in enumerate(old):
        _compare({"prompt": prompt}, {"prompt": new[number] if number < len(new) else None}, where)
    for name, settings in before["entries"].items():
        if name not in now["entries"]:
            raise UserError(
                f"{where} has an entry '{name}', which is not asked for now; ask for it too, or give another folder "
                "with -o, or --fresh to begin anew"
            )
        _compare(settings, now["entries"][name], f"entry '{name}' of {where}")


def put_aside(folder: Path) -> Path:
    """Renames a folder to the first free name with a number, so that another can begin in its place; returns that."""
    number = 1
    while os.path.lexists(other := folder.with_name(f"{folder.name}-{number}")):
        number += 1
    with writing_errors(other):
        os.rename(folder, other)
    return other


def stretches(slots: Sequence[Slot], count: int) -> list[list[Slot]]:
    """Pictures of one entry, in order, in parts that one run can draw: whole prompts one after the other, or seeds of
    one prompt that follow each other."""
    parts: list[list[Slot]] = []
    for slot in slots:
        if parts and parts[-1][-1].number == slot.number and parts[-1][-1].seed + 1 == slot.seed:
            parts[-1].append(slot)
        else:
            parts.append([slot])
    joined: list[list[Slot]] = []
    for part in parts:
        whole = len(part) == count and bool(joined) and len(joined[-1]) % count == 0
        if whole and joined[-1][-1].seed + 1 == part[0].seed:
            joined[-1].extend(part)
        else:
            joined.append(part)
    return joined


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Raises UserError naming the first value that differs, those included that only one of the two has."""
    for name in {**now, **before}:
        if before.get(name) != now.get(name):
            raise UserError(
                f"{where} was made with {name} {before.get(name)!r}, and now it is {now.get(name)!r}; give another "
                "folder with -o, the same settings, or --fresh to begin anew"
            )
