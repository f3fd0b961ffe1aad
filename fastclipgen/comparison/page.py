"""The page of a comparison: one HTML file beside the pictures, which needs nothing else and no network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastclipgen.comparison.page_parts import SCRIPT, STYLE
from fastclipgen.comparison.plan import Plan
from fastclipgen.comparison.rows import Picture, Summary
from fastclipgen.comparison.sheet import label, said
from fastclipgen.comparison.table import columns, shown

SHEET = "sheet.png"


def page_of(
    plan: Plan,
    pictures: Sequence[Picture],
    summaries: Sequence[Summary],
    judges: Sequence[str],
    unavailable: Mapping[str, str],
    tracebacks: Mapping[str, str],
    about: Mapping[str, str],
) -> str:
    """The page. pictures: entry after entry, as many of each as the plan has rows; unavailable: generator -> reason;
    tracebacks: of entries that failed; about: facts of the run, such as versions. All texts are escaped."""
    facts = " · ".join(f"{escape(name)} {escape(value)}" for name, value in about.items())
    files = " · ".join(f'<a href="{name}">{name}</a>' for name in (SHEET, "table.csv", "comparison.json"))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>fastclipgen: {len(summaries)} generators compared</title>",
            f"<style>{STYLE}</style></head><body>",
            "<h1>Generators compared</h1>",
            f'<p class="soft">{facts}<br>{files}</p>',
            _table(summaries, judges),
            *_left_out(unavailable),
            "<h2>Pictures</h2>",
            '<p class="soft">Each is a link to its file, which holds the settings that make it again.</p>',
            *_rows(plan, pictures, judges),
            "<h2>Settings</h2>",
            *(_settings(row, tracebacks.get(row.entry)) for row in summaries),
            f"<script>{SCRIPT}</script></body></html>",
            "",
        ]
    )


def _table(summaries: Sequence[Summary], judges: Sequence[str]) -> str:
    heads = columns(summaries, judges)
    first = "".join(f'<th title="{escape(c.hint)}"><button>{escape(c.title)}</button></th>' for c in heads)
    rows = []
    for row in summaries:
        cells = [
            f'<td data-value="{escape(_plain(column.value(row)))}">{escape(shown(column, row))}</td>'
            for column in heads
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    table = f"<table><thead><tr>{first}</tr></thead><tbody>\n{body}\n</tbody></table>"
    failed = [f'<p class="bad">{escape(row.entry)}: {escape(row.failure)}</p>' for row in summaries if row.failure]
    return "\n".join([f'<div class="scroll">{table}</div>', *failed])


def _left_out(unavailable: Mapping[str, str]) -> list[str]:
    if not unavailable:
        return []
    lines = [f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in unavailable.items()]
    return ["<h2>Left out</h2>", f'<ul class="soft">{"".join(lines)}</ul>']


def _rows(plan: Plan, pictures: Sequence[Picture], judges: Sequence[str]) -> Iterable[str]:
    """The pictures of a prompt and seed side by side, entry after entry."""
    heads = plan.row_heads
    for number, head in enumerate(heads):
        yield f"<h3>{escape(head)}</h3>"
        yield '<div class="row">'
        yield from (_figure(picture, judges, plan.folder) for picture in pictures[number :: len(heads)])
        yield "</div>"


def _figure(picture: Picture, judges: Sequence[str], folder: Path) -> str:
    slot, text = picture.slot, label(picture, judges)
    if picture.pixels is None:
        shown_as = '<div class="none">not drawn</div>'
    else:
        place = escape(quote(slot.path.relative_to(folder).as_posix()))
        alt = escape(f"{slot.entry.name}: {slot.prompt}, seed {slot.seed}")
        height, width = picture.pixels.shape[:2]
        image = f'<img src="{place}" alt="{alt}" width="{width}" height="{height}" loading="lazy">'
        shown_as = f'<a href="{place}">{image}</a>'
    verdict = said(picture)
    kind = (
        "" if not verdict else ' class="good"' if verdict == "right" else ' class="bad"' if verdict == "wrong" else ""
    )
    caption = f"<b>{escape(slot.entry.name)}</b><span{kind}>{escape(text if picture.drawn else '')}</span>"
    return f"<figure>{shown_as}<figcaption>{caption}</figcaption></figure>"


def _settings(row: Summary, traceback: str | None) -> str:
    """What an entry was drawn with, and where it failed."""
    lines = [
        f"<tr><td>{escape(name)}</td><td>{escape(_plain(value))}</td></tr>" for name, value in row.settings.items()
    ]
    more = f"<pre>{escape(traceback)}</pre>" if traceback else ""
    return f"<details><summary>{escape(row.entry)}</summary><table>{''.join(lines)}</table>{more}</details>"


def _plain(value: Any) -> str:
    """A value as text, as JSON where it is no text; nothing for what is not known."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
