"""Several files as one: later ones add to and overwrite earlier ones, and every value keeps its place."""

from __future__ import annotations

from collections.abc import Sequence

from fastclipgen.recipes.documents import Entry

_TARGETS = "targets"


def merge(documents: Sequence[Entry]) -> Entry:
    """One tree of at least one mapping (`documents.parse_document`).

    Mappings are merged key by key, lists are put one after the other, of anything else the later one counts. Of the
    top-level list `targets`, a target that has a `name` is merged into the last target of that name in the files
    before it.
    """
    result = documents[0]
    for later in documents[1:]:
        targets = [document.value.get(_TARGETS) for document in (result, later)]
        result = _merged(result, later)
        if all(entry is not None and isinstance(entry.value, list) for entry in targets):
            result = Entry({**result.value, _TARGETS: _by_name(*targets)}, result.file, result.line, result.size)
    return result


def _merged(first: Entry, later: Entry) -> Entry:
    if isinstance(first.value, dict) and isinstance(later.value, dict):
        both = {key: _merged(first.value[key], later.value[key]) for key in first.value.keys() & later.value.keys()}
        value = {key: both.get(key, entry) for key, entry in {**first.value, **later.value}.items()}
        return Entry(value, later.file, later.line, first.size + later.size)
    if isinstance(first.value, list) and isinstance(later.value, list):
        return Entry([*first.value, *later.value], later.file, later.line, first.size + later.size)
    return later


def _by_name(first: Entry, later: Entry) -> Entry:
    targets: list[Entry] = list(first.value)
    places = {name: place for place, target in enumerate(targets) if (name := _name(target)) is not None}
    for target in later.value:
        place = places.get(_name(target))
        if place is None:
            targets.append(target)
        else:
            targets[place] = _merged(targets[place], target)
    return Entry(targets, later.file, later.line, first.size + later.size)


def _name(target: Entry) -> object:
    """The name of a target, None where it has none."""
    name = target.value.get("name") if isinstance(target.value, dict) else None
    return None if name is None or isinstance(name.value, dict | list) else name.value
