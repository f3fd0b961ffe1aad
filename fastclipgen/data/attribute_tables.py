"""Files that say which picture has which attributes: CelebA's text, and CSV as Kaggle and others write it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from fastclipgen.errors import UserError

CAPTION = ("caption", "captions")  # names of the column of a CSV that holds a caption
_NO, _YES, _MINUS = 0, 1, 2
_BITS = {"0": _NO, "1": _YES, "-1": _MINUS, "+1": _YES}


class Table(NamedTuple):
    """files: a picture's name for each of N rows, each once; names: of the A attributes; values: uint8 [N, A], 0 or 1;
    captions: N of them, or None where the file has none."""

    files: list[str]
    names: tuple[str, ...]
    values: np.ndarray
    captions: list[str] | None

    def columns(self, names: tuple[str, ...], path: Path) -> Table:
        """The table with exactly these attributes, in this order. Raises UserError where it has others."""
        missing = [name for name in names if name not in self.names]
        surplus = [name for name in self.names if name not in names]
        if missing or surplus:
            problem = f"lacks {_some(missing)}" if missing else f"has {_some(surplus)} besides"
            raise UserError(
                f"'{path}' must have the {len(names)} attributes of CelebA, but it {problem}; check the file"
            )
        return self._replace(names=names, values=self.values[:, [self.names.index(name) for name in names]])


def read_text(path: Path) -> Table:
    """CelebA's own layout: the number of rows, then the names, then a row for each picture, -1 or 1 between blanks.

    Raises UserError.
    """
    with _opened(path) as file:
        first = file.readline().strip()
        if not first.isdecimal():
            raise UserError(
                f"the first line of '{path}' must be the number of its rows, got '{first:.40}'; check the file"
            )
        names = tuple(file.readline().split())
        rows = ((number, line.split()) for number, line in enumerate(file, 3) if not line.isspace())
        table = _table(path, names, rows, None)
    if len(table.files) != int(first):
        raise UserError(
            f"'{path}' must have {first} rows, as its first line says, got {len(table.files)}; is it complete?"
        )
    return table


def read_csv(path: Path) -> Table:
    """A CSV: a line of names, then a row for each picture: its file name, 0 or 1 (or -1 or 1) for each attribute, and,
    in a column `caption` or `captions`, a caption where there is such a column. Raises UserError."""
    with _opened(path) as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        at = [k for k, name in enumerate(header) if k and name.lower() in CAPTION]
        if len(at) > 1:
            raise UserError(f"'{path}' has {len(at)} columns of captions; leave one")
        names = tuple(name for k, name in enumerate(header) if k and k not in at)
        rows = ((reader.line_num, row) for row in reader if row)
        try:
            return _table(path, names, rows, at[0] if at else None)
        except csv.Error as error:
            raise UserError(f"'{path}' must be a CSV file, but {error} (line {reader.line_num}); check it") from error


def read_split(path: Path) -> dict[str, int]:
    """The part that every picture is in, 0 to train on, 1 to validate, 2 to test: rows of a name and a number, between
    them blanks or a comma, under a line of names or not. Raises UserError."""
    found: dict[str, int] = {}
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            parts = line.replace(",", " ").split()
            if not parts or (number == 1 and parts[-1] == "partition"):
                continue
            if len(parts) != 2 or parts[1] not in ("0", "1", "2"):
                raise UserError(
                    f"line {number} of '{path}' must be a picture and 0, 1 or 2, got '{line.strip():.60}'; check it"
                )
            found[parts[0]] = int(parts[1])
    return found


def _table(path: Path, names: tuple[str, ...], rows: Iterable[tuple[int, list[str]]], caption: int | None) -> Table:
    """rows: the number of a line and what stands in it; caption: its column."""
    _check_names(path, names)
    width = 1 + len(names) + (caption is not None)
    files, bits, captions = [], [], []
    for number, row in rows:
        if len(row) != width:
            raise UserError(f"line {number} of '{path}' must have {width} columns, got {len(row)}; check the file")
        if caption is not None:
            captions.append(row.pop(caption).strip())
        try:
            bits.append(bytes(map(_BITS.__getitem__, row[1:])))
        except KeyError:
            bits.append(_stripped(path, number, names, row[1:]))
        files.append(row[0].strip())
    if not files:
        raise UserError(f"'{path}' must have a row for each picture, and has none; check the file")
    if len(set(files)) < len(files):
        twice, _ = Counter(files).most_common(1)[0]
        raise UserError(f"'{path}' must have one row for each picture, but has '{twice}' more than once; remove one")
    values = np.frombuffer(b"".join(bits), dtype=np.uint8).reshape(len(files), len(names))
    if (values == _MINUS).any() and (values == _NO).any():
        raise UserError(f"'{path}' must write what a picture has not as 0 or as -1, but has both; replace one of them")
    return Table(files, names, (values == _YES).astype(np.uint8), captions if caption is not None else None)


def _stripped(path: Path, number: int, names: tuple[str, ...], row: list[str]) -> bytes:
    """A row of other spellings, 1.0 say. Raises UserError for what is neither 0 nor 1 nor -1."""
    found = []
    for name, text in zip(names, row, strict=True):
        bit = _BITS.get(text.strip().removesuffix(".0"))
        if bit is None:
            raise UserError(
                f"'{name}' in line {number} of '{path}' must be 0 or 1, or -1 or 1, got '{text:.40}'; check the file"
            )
        found.append(bit)
    return bytes(found)


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    if not names or not all(names):
        raise UserError(f"'{path}' must name a column of file names and one for each attribute, got {list(names)}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"'{path}' must name every attribute once, but has '{twice[0]}' more than once; rename one")


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"'{path}' must say which picture has which attributes, and there is no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"'{path}' must be text in UTF-8, which it is not at byte {error.start}; convert it") from error
    except OSError as error:
        raise UserError(f"'{path}' cannot be read ({error.strerror or error}); check the file") from error


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
