"""The files of a comparison beside its pictures: page, sheet, tables. Each appears whole or not at all; they are
written anew as the comparison grows, the pictures never."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from fastclipgen.comparison.page import SHEET, page_of
from fastclipgen.comparison.plan import Plan
from fastclipgen.comparison.process import Failure
from fastclipgen.comparison.rows import Picture, Summary
from fastclipgen.comparison.sheet import sheet_of
from fastclipgen.comparison.table import markdown, table_csv
from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import replace_file
from fastclipgen.outputs.metadata import versions

RECORD, TABLE, CSV, PAGE = "comparison.json", "table.md", "table.csv", "index.html"
_FORMAT = 1  # of RECORD


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison. pictures: entry after entry, in the plan's order; summaries: one of each entry;
    failures: of entries that are not finished; unavailable: generators that were left out, and why."""

    plan: Plan
    judges: tuple[str, ...]
    pictures: tuple[Picture, ...]
    summaries: tuple[Summary, ...]
    failures: Mapping[str, Failure] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """The table of entries."""
        return markdown(self.summaries, self.judges, self.unavailable)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the pixels, as plain values for JSON."""
        entries = []
        for row in self.summaries:
            failure = self.failures.get(row.entry)
            entries.append({**row.as_dict(), "traceback": failure and failure.traceback})
        return {
            "entries": entries,
            "unavailable": dict(self.unavailable),
            "judges": list(self.judges),
            "pictures": [picture.as_dict(self.judges, self.plan.folder) for picture in self.pictures],
            "versions": versions(),
            "machine": machine(),
        }


def write_record(plan: Plan, results: Mapping[str, Any] | None = None) -> None:
    """The record: what is compared, and what came of it so far."""
    record = {"format": _FORMAT, "asked": plan.identity(), **(results or {})}
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    replace_file(plan.folder / RECORD, lambda file: file.write(text.encode()))


def read_record(folder: Path) -> dict[str, Any] | None:
    """What the comparison in this folder compares (see Plan.identity); None where there is none. Raises UserError."""
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        known = record["format"] == _FORMAT and set(record["asked"]) >= {"prompts", "count", "seed", "entries"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{path}' cannot be read ({error}); give another folder with -o, or --fresh") from None
    if not known:
        raise UserError(f"'{path}' is of another version of fastclipgen; give another folder with -o, or --fresh")
    return record["asked"]


def write_reports(found: Comparison) -> list[Path]:
    """All files but the pictures; returns their paths, the page first. Raises UserError where one cannot be written."""
    folder = found.plan.folder
    failures = {name: failure.text for name, failure in found.failures.items()}
    tracebacks = {name: failure.traceback for name, failure in found.failures.items() if failure.traceback}
    png = io.BytesIO()
    Image.fromarray(sheet_of(found.plan, found.pictures, found.judges)).save(png, "PNG")
    about = {
        "made": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        **{name: versions()[name] for name in ("fastclipgen", "torch")},
        "on": " ".join(machine().values()),
    }
    page = page_of(found.plan, found.pictures, found.summaries, found.judges, found.unavailable, tracebacks, about)
    contents = {
        PAGE: page.encode(),
        SHEET: png.getvalue(),
        TABLE: found.markdown().encode(),
        CSV: table_csv(found.pictures, found.judges, folder, failures).encode(),
    }
    for name, data in contents.items():
        replace_file(folder / name, lambda file, data=data: file.write(data))
    write_record(found.plan, found.as_dict())
    return [folder / name for name in (*contents, RECORD)]


def machine() -> dict[str, str]:
    """The system, and the devices that torch sees; what drew a picture is in its own row."""
    found = {"system": f"{platform.system()} {platform.machine()}"}
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_device_name()
    return found
