"""`key.path=value` on a command line: one value of a merged tree set anew.

A path is keys with points between them, and numbers from 0, or names of targets, for what is in a list: `epochs`,
`targets.0.features[0].text`, `targets.sky.weight`. The value is YAML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastclipgen.errors import UserError, nearest
from fastclipgen.experiments.fields import holding, shown
from fastclipgen.recipes.documents import Entry, parse_document

MAX_STEPS = 30
_STEP = re.compile(r"\.?([^.\[\]=\s]+)|\[(\d{1,6})\]")


@dataclass(frozen=True, eq=False)
class Override:
    """steps: keys and places of a path, as texts."""

    text: str
    steps: tuple[str, ...]
    value: Entry


def parse_override(text: str) -> Override:
    """Reads one. Raises UserError where it is no `key.path=value` or the value no YAML."""
    path, equals, value = text.partition("=")
    path, place = path.strip(), f"override '{text[:80]}'"
    steps: list[str] = []
    at = 0
    while at < len(path) and (found := _STEP.match(path, at)):
        steps.append(found[1] or found[2])
        at = found.end()
    if not equals or not steps or at < len(path) or path.startswith((".", "[")) or len(steps) > MAX_STEPS:
        raise UserError(f"{place}: expected a key path and a value, as in epochs=100 or targets.0.weight=2")
    try:
        read = parse_document(f"value: {value.strip()}", place).value
    except UserError:
        read = {}
    if list(read) != ["value"]:
        raise UserError(f"{place}: expected YAML after '=', got '{value[:60]}'; put a text like this into quotes")
    return Override(text, tuple(steps), _placed(read["value"], place))


def _placed(entry: Entry, place: str) -> Entry:
    """Without lines, of which an override has none."""
    value = entry.value
    if isinstance(value, dict):
        value = {key: _placed(item, place) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_placed(item, place) for item in value]
    return replace(entry, value=value, file=place, line=0)


def apply(tree: Entry, overrides: Sequence[Override]) -> Entry:
    """The tree with all of them, one after the other. Raises UserError for a path that leads through what is not there.

    A key that is not there is made; whether it means anything is found when the tree is read.
    """
    for override in overrides:
        tree = _set(tree, override, 0)
    return tree


def _set(entry: Entry | None, override: Override, depth: int) -> Entry:
    if depth == len(override.steps):
        return override.value
    step = override.steps[depth]
    if entry is None or entry.value is None:
        if step.isdigit() or depth == 0:
            raise _lost(override, depth, "there is no such list")
        return holding({step: _set(None, override, depth + 1)}, override.value)
    if isinstance(entry.value, dict):
        return holding({**entry.value, step: _set(entry.value.get(step), override, depth + 1)}, entry)
    if not isinstance(entry.value, list):
        raise _lost(override, depth, f"there is {shown(entry)} and nothing within it")
    place = _place(entry, override, depth)
    changed = [*entry.value]
    changed[place] = _set(changed[place], override, depth + 1)
    return holding(changed, entry)


def _place(entry: Entry, override: Override, depth: int) -> int:
    """Which item of a list is meant: by number, or by the last one of a name."""
    step = override.steps[depth]
    if step.isdigit():
        if int(step) < len(entry.value):
            return int(step)
        raise _lost(override, depth, f"the list has {len(entry.value)} items, counted from 0")
    names: dict[str, int] = {}
    for place, item in enumerate(entry.value):
        name = item.value.get("name") if isinstance(item.value, dict) else None
        if name is not None:
            names[str(name.value)] = place
    if step in names:
        return names[step]
    known = f" (known: {', '.join(sorted(names))})" if names else ""
    raise _lost(override, depth, f"no item of the list has the name '{step}'{nearest(step, names)}{known}")


def _lost(override: Override, depth: int, what: str) -> UserError:
    done = ".".join(override.steps[:depth]) or "the file"
    return UserError(f"override '{override.text[:80]}': expected the path of a value, but at {done} {what}")
