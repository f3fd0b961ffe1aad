"""Rows -> items: a picture each, and groups of items that differ in prompt and seed only and so can be drawn together.

An item is known by what it is to become, not by its place: adding rows to a batch file leaves the others as they are.
Loads no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fastclipgen.config.run import MAX_SEED, WEIGHTS, RunConfig, make_config
from fastclipgen.config.sampling import CLIP_GEN
from fastclipgen.errors import UserError
from fastclipgen.jobs.rows import Row

OWN = ("prompts", "seed", "count")
"""Settings in which the items of a group may differ."""
ANYWHERE = ("device", "backend", "memory")
"""Settings of the machine: an item drawn under others is the same item."""


class Item(NamedTuple):
    """group: settings of config.run.RunConfig without OWN, as JSON; prompt: "" for none; line: of the batch file."""

    key: str
    group: str
    prompt: str
    seed: int
    line: int


class Refused(NamedTuple):
    """A row that cannot be drawn, and why."""

    line: int
    error: str


def make_items(rows: Iterable[Row], defaults: Mapping[str, Any], seed: int) -> tuple[list[Item], list[Refused]]:
    """Every picture of every row. defaults: settings of all rows that do not say otherwise, with `count` for pictures a
    prompt. seed: of the first picture; the others count up through the file, those of a row with a seed from there."""
    items, refused, index = [], [], 0
    for row in rows:
        try:
            if row.error is not None:
                raise UserError(row.error)
            config = make_config({"prompts": [], **defaults, "seed": None, **_fitting(defaults, row.settings)})
            first = (seed + index) % (MAX_SEED + 1) if config.seed is None else config.seed
            if first + config.count - 1 > MAX_SEED:
                raise UserError(f"expected seeds up to {MAX_SEED}, got {config.count} pictures from seed {first}")
            if config.generator == CLIP_GEN and (config.keep or 1) > 1:
                raise UserError(f"a row is one picture, but keep is {config.keep}; leave it out, and use count")
        except UserError as error:
            refused.append(Refused(row.line, str(error)))
            index += max(1, int(defaults.get("count", 1)))  # a row that is mended later leaves the others' seeds alone
            continue
        group = _json(config.model_dump(mode="json", exclude=set(OWN)))
        identity = _json(config.model_dump(mode="json", exclude={*OWN, *ANYWHERE}))
        prompt = config.prompts[0] if config.prompts else ""
        for own in range(first, first + config.count):
            key = hashlib.sha256(_json([identity, prompt, own]).encode()).hexdigest()
            items.append(Item(key, group, prompt, own, row.line))
        index += config.count
    return items, refused


def config_of(group: str, prompts: list[str], seed: int = 0) -> RunConfig:
    """The settings of a run that draws pictures of a group."""
    return RunConfig(**{**json.loads(group), "prompts": [p for p in prompts if p], "seed": seed, "count": 1})


def _fitting(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A row's settings; one that names a generator goes without the defaults that belong to another one."""
    generator = own.get("generator")
    if generator is None or generator == defaults.get("generator"):
        return dict(own)
    needed = {"vqgan", "clip_gen"} if generator == CLIP_GEN else {generator}
    foreign = {name: None for name in (*WEIGHTS, "clip_gen") if name not in needed}
    return {"generator_options": {}, **foreign, **own}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
