"""The texts of all features of a complete tree, with what wildcards and alternatives became for each picture."""

from __future__ import annotations

import zlib
from pathlib import Path

import torch

from fastclipgen.errors import UserError, nearest
from fastclipgen.experiments.fields import holding, made, shown
from fastclipgen.experiments.sources import Reach, anywhere
from fastclipgen.experiments.wildcards import MAX_CHOICES, MAX_LENGTH, Lines, Part, choose, parse, special
from fastclipgen.ops.philox import Stream, uniforms
from fastclipgen.recipes.documents import Entry

WILDCARDS = "wildcards"
MAX_BYTES = 4_000_000  # of all files of lines together
MAX_DRAWN = 20_000
MAX_TEXTS = 2_000  # with choices, those of all pictures counted
MAX_PARSED = 200_000  # characters of different texts and lines with choices
_FEW = 16  # choices of most texts


def with_texts(tree: Entry, seed: int, batch: int, compat: bool, reach: Reach = anywhere) -> Entry:
    """A complete tree whose texts have no choices left: each is one text, or a list with one for each picture.

    Picture i of the batch has the seed `seed` + i. `wildcards` becomes false where a text had something to choose, so
    that nothing is chosen again. With compat and without `wildcards`, all texts are literal.
    Raises UserError for choices that cannot be read and lists of another length than the batch.
    """
    entry = tree.value.get(WILDCARDS)
    literal = compat if entry is None else entry.value is False
    resolver = _Resolver(_Lists(entry, tree, reach), seed, batch, literal)
    targets = [
        holding({**target.value, "features": resolver.features(target.value["features"], f"targets[{place}]")}, target)
        for place, target in enumerate(tree.value["targets"].value)
    ]
    keys = {**tree.value, "targets": holding(targets, tree.value["targets"])}
    keys.pop(WILDCARDS, None)
    if resolver.marked or (entry is not None and literal):
        keys[WILDCARDS] = made(False, tree if entry is None else entry)
    return holding(keys, tree)


class _Resolver:
    def __init__(self, lists: _Lists, seed: int, batch: int, literal: bool) -> None:
        self._lists, self._batch, self._literal = lists, batch, literal
        self._seeds = torch.arange(batch, dtype=torch.int64) + seed
        self._count = self._drawn = self._characters = 0
        self._parsed: dict[str, tuple[Part, ...]] = {}
        self._kept: tuple[tuple[str, int], list[list[float]]] = (("", 0), [])
        self.marked = False
        """Whether a text had, or has, anything in it that would be chosen from."""

    def features(self, entry: Entry, path: str) -> Entry:
        return holding(
            [self._feature(feature, f"{path}.features[{place}].text") for place, feature in enumerate(entry.value)],
            entry,
        )

    def _feature(self, feature: Entry, path: str) -> Entry:
        entry = feature.value["text"]
        if entry.value is None:
            return feature
        listed = isinstance(entry.value, list)
        given = entry.value if listed else [entry]
        if len(given) not in (1, self._batch):
            raise UserError(
                f"{entry.where(path)}: expected one text, or one for each of the {self._batch} pictures of the batch, "
                f"got {len(given)}"
            )
        texts = [text.value for text in given]
        for text in given:
            if type(text.value) not in (str, int, float):
                raise UserError(
                    f"{text.where(path)}: expected a text, got {shown(text)}; put a text that YAML reads as something "
                    "else into quotes"
                )
        if any(special(str(text)) for text in texts):
            self.marked = True
            if not self._literal:
                texts = self._chosen(given, path)
        if len(set(map(str, texts))) == 1:
            texts = texts[:1]
        value = made(texts if len(texts) > 1 else texts[0], entry)
        return holding({**feature.value, "text": value}, feature)

    def _chosen(self, given: list[Entry], path: str) -> list[str]:
        self._count += self._batch
        if self._count > MAX_TEXTS:
            raise UserError(f"{given[0].where(path)}: expected at most {MAX_TEXTS:,} texts with choices; use fewer")
        numbers = self._numbers(path, _FEW)
        texts: list[str] = []
        for picture in range(self._batch):
            entry = given[picture % len(given)]
            try:
                texts.append(self._text(entry, path, picture, numbers[picture]))
            except UserError as error:
                raise UserError(f"{entry.where(path)}: {error}") from None
        return texts

    def _parts(self, text: str) -> tuple[Part, ...]:
        """`parse`, once for every text."""
        if not special(text):
            return (text,)
        if text not in self._parsed:
            self._characters += len(text)
            if self._characters > MAX_PARSED:
                raise UserError(f"expected texts with choices of at most {MAX_PARSED:,} characters in all; use fewer")
            self._parsed[text] = parse(text)
        return self._parsed[text]

    def _numbers(self, path: str, count: int) -> list[list[float]]:
        """Uniform numbers for the choices of a text: of each picture, `count` of them. Those of one text are kept."""
        if self._kept[0] != (path, count):
            drawn = uniforms(self._seeds, zlib.crc32(path.encode()), Stream.TEXT, count)
            self._kept = (path, count), drawn[:, 0].tolist()
        return self._kept[1]

    def _text(self, entry: Entry, path: str, picture: int, numbers: list[float]) -> str:
        used = 0

        def draw() -> float:
            nonlocal used, numbers
            if used == len(numbers):
                if used == MAX_CHOICES:
                    raise UserError(f"expected at most {MAX_CHOICES} choices in a text; use fewer")
                numbers = self._numbers(path, MAX_CHOICES)[picture]
            used += 1
            self._drawn += 1
            if self._drawn > MAX_DRAWN:
                raise UserError(f"expected at most {MAX_DRAWN:,} choices in all texts of all pictures; use fewer")
            return numbers[used - 1]

        text = choose(self._parts(str(entry.value)), draw, self._lists.of(entry), self._parts)
        if len(text) > MAX_LENGTH:
            raise UserError(f"expected texts of at most {MAX_LENGTH:,} characters, got one of {len(text):,}")
        return text


class _Lists:
    """Where names come from: lists in the file, then files of lines in a folder."""

    def __init__(self, entry: Entry | None, tree: Entry, reach: Reach) -> None:
        self._reach = reach
        self._inline: dict[str, list[str]] = {}
        self._folder: Path | None = None
        self._tree = tree
        self._read: dict[Path, list[str]] = {}
        self._left = MAX_BYTES
        value = None if entry is None else entry.value
        if entry is None or value is False:
            return
        if isinstance(value, str):
            self._folder = _beside(entry, tree) / value
        elif isinstance(value, dict):
            self._inline = {name: _inline(lines, f"{WILDCARDS}.{name}") for name, lines in value.items()}
        else:
            raise UserError(
                f"{entry.where(WILDCARDS)}: expected a folder, lists of texts by name, or false, got {shown(entry)}"
            )

    def of(self, text: Entry) -> Lines:
        """The lists that a text in a file sees: the folder is the one beside that file, if none is named."""
        folder = self._folder or _beside(text, self._tree) / WILDCARDS
        return lambda name: self._inline[name] if name in self._inline else self._lines(folder, name)

    def _lines(self, folder: Path, name: str) -> list[str]:
        path = self._reach(folder / f"{name}.txt")
        if path not in self._read:
            try:
                with path.open("rb") as stream:
                    data = stream.read(self._left + 1)
                lines = data.decode("utf-8-sig").splitlines()
            except (OSError, ValueError) as error:
                raise self._missing(folder, name, error) from None
            if len(data) > self._left:
                raise UserError(f"expected at most {MAX_BYTES:,} bytes of lines in all, with '{path}' they are more")
            self._left -= len(data)
            self._read[path] = [line for raw in lines if (line := raw.strip()) and not line.startswith("#")]
            if not self._read[path]:
                raise UserError(f"expected lines to choose from, but '{path}' has none")
        return self._read[path]

    def _missing(self, folder: Path, name: str, error: Exception) -> UserError:
        try:
            known = {*self._inline, *(path.stem for path in folder.glob("*.txt"))}
        except OSError:
            known = set(self._inline)
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return UserError(
            f"expected lines for __{name}__ in '{folder / f'{name}.txt'}' or in the list '{WILDCARDS}.{name}', but: "
            f"{reason}{nearest(name, known)}; 'wildcards: false' leaves texts as they are"
        )


def _inline(entry: Entry, path: str) -> list[str]:
    lines = entry.value if isinstance(entry.value, list) else [entry]
    if not lines or any(type(line.value) not in (str, int, float) for line in lines):
        raise UserError(f"{entry.where(path)}: expected a list of texts, got {shown(entry)}")
    return [str(line.value) for line in lines]


def _beside(entry: Entry, tree: Entry) -> Path:
    """The folder of the file that an entry is from; of an override, that of the whole tree's file."""
    at = entry if entry.line else tree
    return Path(at.file).parent
