"""The tables of a comparison as texts: Markdown for people, CSV for programs. Which columns there are is decided here
for the page too."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.comparison.rows import Picture, Summary

Value = float | str | None


class Column(NamedTuple):
    """A column of the table of entries. hint: what it means; value: what it is sorted by; show: as it is written."""

    title: str
    hint: str
    value: Callable[[Summary], Value]
    show: Callable[[Any], str]


def columns(summaries: Sequence[Summary], judges: Sequence[str]) -> list[Column]:
    """The columns of which anything is known, beginning with the entry's name."""
    found = [Column("entry", "a generator with its settings", lambda row: row.entry, str)]
    found.append(
        Column("guide", "100 x cosine of picture and prompt, by the CLIP that guided", lambda row: row.guide, _score)
    )
    for judge in judges:
        hint = f"100 x cosine of picture and prompt, by {judge}, which did not guide"
        found.append(Column(judge, hint, lambda row, judge=judge: row.judged.get(judge), _score))
    found += [
        Column("colours", "of shapes prompts: object and background have the colours", _of("colours_right"), _part),
        Column("shape", "of shapes prompts: the shape is the asked one", _of("shape_right"), _part),
        Column("all right", "of shapes prompts: colours and shape", _of("all_right"), _part),
        Column("alarms", "pictures whose spectrum has the noise by which CLIPs are deceived", _of("alarms"), _part),
        Column("diversity", "mean 1 - cosine of pictures of one prompt", _of("diversity"), "{:.3f}".format),
        Column("s/picture", "seconds of drawing, without loading and compiling", _of("seconds"), _seconds),
        Column("compiling", "seconds of compiling, all together", _compiling, _seconds),
        Column("peak", "memory at the fullest moment (docs/compare.md says of what)", _of("peak_bytes"), _bytes),
        Column("steps", "of every picture", lambda row: row.settings.get("steps"), str),
        Column("size", "of the pictures, in pixels", _size, str),
        Column("pictures", "that are drawn, of those that were asked for", lambda row: f"{row.drawn}/{row.asked}", str),
    ]  # fmt: skip
    always = ("entry", "guide", "pictures")
    return [c for c in found if c.title in always or any(c.value(row) is not None for row in summaries)]


def shown(column: Column, row: Summary) -> str:
    """The text of a cell, empty for what is not known."""
    value = column.value(row)
    return "" if value is None else column.show(value)


def markdown(summaries: Sequence[Summary], judges: Sequence[str], unavailable: Mapping[str, str]) -> str:
    """The table of entries, and below it what failed and what could not be compared."""
    heads = columns(summaries, judges)
    rows = [[shown(column, row) for column in heads] for row in summaries]
    lines = [[column.title for column in heads], *rows]
    widths = [max(len(_cell(line[n])) for line in lines) for n in range(len(heads))]
    written = [" | ".join(_cell(text).ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
    rule = "|".join("-" * (width + 2) for width in widths)
    table = [f"| {written[0]} |", f"|{rule}|", *(f"| {line} |" for line in written[1:])]
    notes = [f"- '{row.entry}' is not finished: {_cell(row.failure)}" for row in summaries if row.failure]
    notes += [f"- '{name}' is left out: {_cell(why)}" for name, why in unavailable.items()]
    return "\n".join([*table, *([""] if notes else []), *notes]) + "\n"


def table_csv(pictures: Sequence[Picture], judges: Sequence[str], folder: Path, failures: Mapping[str, str]) -> str:
    """A row for each picture, drawn or not, with the names of `Picture.as_dict` and "error"."""
    text = io.StringIO()
    rows = [
        {**picture.as_dict(judges, folder), "error": None if picture.drawn else failures.get(picture.slot.entry.name)}
        for picture in pictures
    ]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _of(name: str) -> Callable[[Summary], Value]:
    return lambda row: getattr(row, name)


def _compiling(row: Summary) -> Value:
    return row.compile_seconds or None


def _size(row: Summary) -> Value:
    width, height = row.settings.get("width"), row.settings.get("height")
    return None if width is None else f"{width}x{height}"


def _score(value: float) -> str:
    return f"{value:.1f}"


def _part(value: float) -> str:
    return f"{value:.0%}"


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _bytes(value: float) -> str:
    return f"{value / 2**20:.0f} MiB" if value < 2**30 else f"{value / 2**30:.1f} GiB"


def _cell(text: str) -> str:
    """`text` as it can stand in a cell of Markdown."""
    return " ".join(text.split()).replace("|", "\\|")
