"""Named parts of a file: `template: NAME`, in any mapping, stands for the keys of `templates: NAME`.

The keys of the mapping itself win, and mappings are merged key by key; lists are replaced, unlike those of several
files. Of several templates the later one wins. A template may use others.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastclipgen.errors import UserError, unknown
from fastclipgen.experiments.fields import holding, shown
from fastclipgen.recipes.documents import MAX_DEPTH, MAX_VALUES, Entry

TEMPLATES, TEMPLATE = "templates", "template"
_TOO_MANY = 4 * MAX_VALUES + 1
_LITERAL = "wildcards"  # a mapping of names that a user chooses


def expand(tree: Entry) -> Entry:
    """A tree with every `template` replaced; `templates` itself stays as it is.

    Raises UserError for templates that are unknown, no mappings, use themselves or make the tree too large.
    """
    entry = tree.value.get(TEMPLATES)
    if entry is None or entry.value is None:
        known: Mapping[str, Entry] = {}
    elif isinstance(entry.value, dict):
        known = entry.value
    else:
        raise UserError(f"{entry.where(TEMPLATES)}: expected templates by name, got {shown(entry)}")
    kept = {key: tree.value[key] for key in (TEMPLATES, _LITERAL) if key in tree.value}
    rest = {key: value for key, value in tree.value.items() if key not in kept}
    expanded = _Expander(known).expand(holding(rest, tree), ())
    return holding({**expanded.value, **kept}, tree)


class _Expander:
    def __init__(self, known: Mapping[str, Entry]) -> None:
        self._known, self._count = known, 0

    def expand(self, entry: Entry, chain: tuple[str, ...], depth: int = 0) -> Entry:
        """chain: the templates that this entry is within."""
        self._counted(1 if depth <= MAX_DEPTH else _TOO_MANY, entry)
        if isinstance(entry.value, list):
            return holding([self.expand(item, chain, depth + 1) for item in entry.value], entry)
        if not isinstance(entry.value, dict):
            return entry
        base: Entry | None = None
        asked = entry.value.get(TEMPLATE)
        for name in [] if asked is None else asked.value if isinstance(asked.value, list) else [asked]:
            found = self._template(name, chain, depth)
            base = found if base is None else self._over(base, found)
        keys = {key: value for key, value in entry.value.items() if key != TEMPLATE}
        own = holding({key: self.expand(value, chain, depth + 1) for key, value in keys.items()}, entry)
        return own if base is None else self._over(base, own)

    def _counted(self, values: int, entry: Entry) -> None:
        self._count += values
        if self._count >= _TOO_MANY:
            raise UserError(
                f"{entry.where()}: expected templates that make at most {4 * MAX_VALUES:,} values, {MAX_DEPTH} levels "
                "deep; use fewer"
            )

    def _template(self, name: Entry, chain: tuple[str, ...], depth: int) -> Entry:
        if not isinstance(name.value, str):
            raise UserError(f"{name.where(TEMPLATE)}: expected the name of a template, got {shown(name)}")
        if name.value not in self._known:
            raise UserError(f"{name.where()}: {unknown('template', name.value[:60], self._known)}")
        if name.value in chain:
            raise UserError(f"{name.where()}: template '{name.value}' uses itself by way of {', '.join(chain)}")
        body = self._known[name.value]
        if not isinstance(body.value, dict):
            raise UserError(f"{body.where(f'templates.{name.value}')}: expected keys with values, got {shown(body)}")
        return self.expand(body, (*chain, name.value), depth + 1)

    def _over(self, base: Entry, own: Entry) -> Entry:
        """`own` over `base`; a key of `own` without a value counts as left out."""
        if own.value is None:
            return base
        if not (isinstance(base.value, dict) and isinstance(own.value, dict)):
            return own
        self._counted(len(base.value), own)
        keys = {key: self._over(base.value[key], own.value[key]) for key in base.value if key in own.value}
        return holding({**base.value, **own.value, **keys}, own)
