"""Several files, what they include, overrides and templates, as one tree of CLIPig's own keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fastclipgen.errors import UserError
from fastclipgen.experiments.fields import holding, shown
from fastclipgen.experiments.overrides import Override, apply, parse_override
from fastclipgen.experiments.templates import TEMPLATES, expand
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.outputs.naming import IMAGE_SUFFIXES
from fastclipgen.recipes.documents import MAX_VALUES, Entry, parse_document, read_document
from fastclipgen.recipes.merge import merge

MAX_FILES = 50
MAX_NESTED = 10
INCLUDE = "include"
STORED = "experiment"  # the key of a picture's metadata that holds the YAML
Reach = Callable[[Path], Path]
"""Where a path that a file names leads to. Raises UserError where it must not be read."""


def anywhere(path: Path) -> Path:
    """The `Reach` of a user's own files."""
    return path


def read_tree(paths: Sequence[str], overrides: Sequence[str] = ()) -> Entry:
    """The tree of some files, "-" being standard input: each after what it includes, later ones over earlier ones.

    Overrides of templates apply before templates are put in, all others after.
    Raises UserError for files that cannot be read or include each other, and for overrides and templates that do not
    fit.
    """
    if not paths:
        raise UserError("expected at least one YAML file, got none; name one, or '-' for standard input")
    files = _Files()
    tree = merge([document for path in paths for document in files.read(path, ())])
    return shaped(tree, [parse_override(text) for text in overrides])


def tree_of_text(text: str, file: str, reach: Reach) -> Entry:
    """The tree of a text as if it stood in `file`, beside which it looks for what it includes; errors as in
    `read_tree`."""
    return shaped(merge(_Files(reach).documents(parse_document(text, file), Path(file).parent, (Path(file),))))


def shaped(tree: Entry, overrides: Sequence[Override] = ()) -> Entry:
    """A merged tree with its templates put in and overrides applied; errors as in `read_tree`."""
    first = [override for override in overrides if override.steps[0] == TEMPLATES]
    rest = [override for override in overrides if override.steps[0] != TEMPLATES]
    tree = expand(apply(tree, first))
    if rest:
        tree = expand(apply(tree, rest))  # again: an override may ask for a template
    return holding({key: entry for key, entry in tree.value.items() if key != TEMPLATES}, tree)


def _document(path: str) -> Entry:
    """What a YAML file says, or what is stored in a picture that an experiment made."""
    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        return read_document(path)
    text = read_metadata(path).get(STORED)
    if not isinstance(text, str):
        raise UserError(f"'{path}' holds no experiment; give a YAML file, or a picture that `fastclipgen run` made")
    return parse_document(text, path)


class _Files:
    """Reads files with what they include, each included file once."""

    def __init__(self, reach: Reach = anywhere) -> None:
        self._reach = reach
        self._included: set[Path] = set()
        self._count = self._size = 0

    def read(self, path: str, chain: tuple[Path, ...]) -> list[Entry]:
        """The documents to merge, the included ones first. chain: the files that include this one."""
        here = Path() if path == "-" else Path(path).resolve()
        return self.documents(_document(path), here.parent, (*chain, here))

    def documents(self, document: Entry, folder: Path, within: tuple[Path, ...]) -> list[Entry]:
        """A document behind those that it includes. within: the files that include each other, the last one its own."""
        self._count += 1
        self._size += document.size
        path = document.file
        if self._count > MAX_FILES or self._size > 4 * MAX_VALUES:
            raise UserError(
                f"{path}: expected at most {MAX_FILES} files with {4 * MAX_VALUES:,} values in all; include fewer"
            )
        entry = document.value.get(INCLUDE)
        if entry is None:
            return [document]
        found: list[Entry] = []
        for name in entry.value if isinstance(entry.value, list) else [entry]:
            if name.value is None:
                continue
            wanted = self._wanted(name, folder)
            if wanted in within:
                raise UserError(
                    f"{name.where(INCLUDE)}: '{name.value}' includes this file in turn; leave one of the two out"
                )
            if len(within) > MAX_NESTED:
                raise UserError(f"{name.where(INCLUDE)}: expected at most {MAX_NESTED} files that include each other")
            if wanted not in self._included:
                self._included.add(wanted)
                found += self.read(str(wanted), within)
        own = {key: value for key, value in document.value.items() if key != INCLUDE}
        return [*found, holding(own, document)]

    def _wanted(self, name: Entry, folder: Path) -> Path:
        text = name.value
        if not isinstance(text, str) or not text.strip() or "://" in text or "\0" in text:
            raise UserError(
                f"{name.where(INCLUDE)}: expected the path of a YAML file on this machine, from the folder of this "
                f"file, got {shown(name)}"
            )
        try:
            wanted = (folder / Path(text).expanduser()).resolve()
        except (OSError, RuntimeError) as error:  # too long a name, links in a circle, no such user
            raise UserError(f"{name.where(INCLUDE)}: expected the path of a YAML file, but {error}") from None
        return self._reach(wanted)
