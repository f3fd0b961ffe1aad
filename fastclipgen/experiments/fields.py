"""Mappings of a file against their declarations: unknown keys are found, defaults filled in, values read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fastclipgen.errors import UserError, nearest
from fastclipgen.experiments.keys import LIMITS
from fastclipgen.recipes.documents import Entry
from fastclipgen.recipes.frame_time import FrameTime, read_time
from fastclipgen.recipes.options import REQUIRED, Option
from fastclipgen.recipes.values import Value, read


def made(value: Any, at: Entry) -> Entry:
    """An entry for a value that no file holds, with the place of the entry that it stands for."""
    if isinstance(value, Mapping):
        value = {key: made(item, at) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        value = [made(item, at) for item in value]
    return holding(value, at)


def holding(value: Any, at: Entry) -> Entry:
    """An entry with a mapping or list of entries, or a scalar, at the place of another entry."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return replace(at, value=value, size=1 + sum(entry.size for entry in inner))


def mapping(entry: Entry, path: str, example: str) -> dict[str, Entry]:
    """The keys that have a value. Raises UserError where the entry is no mapping."""
    if not isinstance(entry.value, dict):
        raise UserError(f"{entry.where(path)}: expected keys with values such as '{example}', got {shown(entry)}")
    return entry.value


def items(entry: Entry | None, path: str, example: str) -> list[Entry]:
    """The entries of a list; of nothing none. Raises UserError where the entry is no list."""
    if entry is None or entry.value is None:
        return []
    if not isinstance(entry.value, list):
        raise UserError(f"{entry.where(path)}: expected a list of items such as '- {example}', got {shown(entry)}")
    return entry.value


def shown(entry: Entry) -> str:
    """A value for errors."""
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(entry.value), f"'{str(entry.value)[:60]}'")


def refuse_unknown(keys: Mapping[str, Entry], known: Iterable[str], path: str) -> None:
    """Raises UserError for the first key that is not known, with the nearest one that is."""
    names = list(known)
    for key, entry in keys.items():
        if key not in names:
            inside = f" in {path}" if path else ""
            raise UserError(
                f"{entry.where()}: unknown key '{key[:60]}'{inside}{nearest(key[:60], names)} "
                f"(known: {', '.join(sorted(names))})"
            )


def filled(keys: Mapping[str, Entry], options: Mapping[str, Option], path: str, at: Entry) -> dict[str, Entry]:
    """An entry for every option, in their order: what is given, else the default.

    Raises UserError for a required one that is missing.
    """
    result: dict[str, Entry] = {}
    for name, option in options.items():
        given = keys.get(name)
        if given is not None and given.value is not None:
            result[name] = given
        elif option.default is REQUIRED:
            raise UserError(f"{at.where(path)}: expected '{name}' ({option.help}), which is missing; add it")
        else:
            result[name] = made(option.default, at)
    return result


def joined(path: str, key: str) -> str:
    """The key path of a key within a mapping."""
    return f"{path}.{key}" if path else key


class Fields:
    """The values of a filled mapping, by their declarations. Errors are UserErrors with file, line and key path."""

    def __init__(self, keys: Mapping[str, Entry], options: Mapping[str, Option], path: str) -> None:
        self._keys, self._options, self._path = keys, options, path

    def where(self, name: str) -> str:
        return self._keys[name].where(joined(self._path, name))

    def value(self, name: str) -> Value:
        key = joined(self._path, name)
        value = read(self._options[name].parameter, self._keys[name].plain(), self.where(name), key)
        low, high = LIMITS.get(name, (-math.inf, None))
        for item in value.items:
            if isinstance(item, int | float) and not (item >= low and (high is None or item <= high)):
                most = "" if high is None else f" and at most {high:,}"
                raise UserError(f"{self.where(name)}: expected at least {low}{most}, got {item}")
        return value

    def plain(self, name: str) -> Any:
        """A constant: one value, a tuple of a list, or None."""
        return self.value(name).plain

    def time(self, name: str) -> FrameTime:
        return read_time(self._keys[name].plain(), self.where(name), joined(self._path, name))
