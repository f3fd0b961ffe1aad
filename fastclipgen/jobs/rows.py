"""A batch file -> rows: prompts with settings of their own. `.txt`, `.csv`, `.jsonl` (or `.ndjson`), `.yaml`.

A row that makes no sense is a row with an error; only a file that makes none at all raises. Loads no torch.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from fastclipgen.config.run import RunConfig
from fastclipgen.config.texts import parse_settings, parse_size
from fastclipgen.errors import UserError, unknown

MAX_BYTES = 256 << 20
FIELDS = sorted({"prompt", "size", *RunConfig.model_fields} - {"prompts", "trust_gan"})
"""What a row may say: `prompt`, `size` (WxH or one side), and any setting of `fastclipgen info`, but no trust in files,
since a batch file may come from anywhere."""


class Row(NamedTuple):
    """settings: fields of RunConfig, with one text in `prompts` unless other prompts say what to draw; error: why the
    row cannot be read, in one sentence, else None."""

    line: int
    settings: dict[str, Any]
    error: str | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a batch file, in order. Raises UserError for a file that cannot be read, is of another kind, or has
    no rows."""
    readers: dict[str, Callable[[str, str], Iterator[Row]]] = {
        ".txt": _lines, ".csv": _table, ".jsonl": _objects, ".ndjson": _objects, ".yaml": _items, ".yml": _items,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"expected a batch file that ends in {', '.join(readers)}, got '{path}'")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"'{path}' is larger than {MAX_BYTES >> 20} MiB; split it into several batch files")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the batch file '{path}' ({error}); give a text file in UTF-8") from None
    rows = list(reader(text, str(path)))
    if not rows:
        raise UserError(f"'{path}' has no rows; write a prompt in each")
    return rows


def _lines(text: str, path: str) -> Iterator[Row]:
    """A prompt a line; empty lines and those that begin with # say nothing."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield Row(number, {"prompts": [line.strip()]})


def _table(text: str, path: str) -> Iterator[Row]:
    """CSV with a row of names; an empty cell says nothing."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        names = [_name(name, f"'{path}' line 1") for name in next(reader, [])]
        if len(set(names)) < len(names):
            raise UserError(f"'{path}' line 1 names a column twice; give every column a name of its own")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                yield Row(reader.line_num, {}, f"expected {len(names)} cells as in line 1, got {len(cells)}")
                continue
            given = [(name, cell.strip()) for name, cell in zip(names, cells, strict=False) if cell.strip()]
            yield _row(reader.line_num, dict(given), from_text=True)
    except csv.Error as error:
        raise UserError(f"'{path}' line {reader.line_num} is no CSV ({error}); mend the line") from None


def _objects(text: str, path: str) -> Iterator[Row]:
    """A JSON object, or a prompt as a JSON text, a line."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(number, {}, f"is not JSON ({error})")
            continue
        yield _of_value(number, value)


def _items(text: str, path: str) -> Iterator[Row]:
    """A YAML list of prompts and mappings, or `jobs:` with such a list and `defaults:` for all of them."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        loader = yaml.SafeLoader("")
        document = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"'{path}' is no YAML: {' '.join(str(error).split())}") from None
    defaults: Mapping[str, Any] = {}
    if isinstance(root, yaml.MappingNode) and isinstance(document, dict):
        strange = [key for key in document if key not in ("jobs", "defaults")]
        if strange:
            raise UserError(f"'{path}': {unknown('key', str(strange[0]), ['jobs', 'defaults'])}")
        defaults = document.get("defaults") or {}
        root = next((value for key, value in root.value if key.value == "jobs"), None)
        document = document.get("jobs")
    if document is None and root is None:
        return
    if not isinstance(root, yaml.SequenceNode) or not isinstance(document, list) or not isinstance(defaults, dict):
        raise UserError(
            f"'{path}' must hold a list of prompts and of mappings with a prompt, or 'jobs:' with such a list and "
            "'defaults:' with settings"
        )
    for node, value in zip(root.value, document, strict=True):
        yield _of_value(node.start_mark.line + 1, value, defaults)


def _of_value(line: int, value: object, defaults: Mapping[str, Any] | None = None) -> Row:
    """The row of a text or of a mapping."""
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, dict):
        return Row(line, {}, f"expected a prompt or a mapping with a prompt, got {value!r:.80}")
    return _row(line, {**(defaults or {}), **{str(key): item for key, item in value.items()}}, from_text=False)


def _row(line: int, given: Mapping[str, Any], from_text: bool) -> Row:
    """from_text: values are texts, as in a CSV, lists and mappings among them JSON."""
    try:
        named = {_name(name): value for name, value in given.items()}
        prompt, size = named.pop("prompt", None), named.pop("size", None)
        settings = (
            parse_settings([f"{name}={value}" for name, value in named.items()], "column") if from_text else named
        )
        if prompt is not None:
            if not isinstance(prompt, str) or not prompt.strip():
                raise UserError(f"expected a prompt as a text, got {prompt!r:.80}")
            settings = {"prompts": [prompt.strip()]} | settings
        if size is not None:
            if "width" in named or "height" in named:
                raise UserError("size and width or height are both given; leave one of them out")
            width, height = parse_size("x".join(map(str, size)) if isinstance(size, list) else str(size))
            settings |= {"width": width, "height": height}
    except UserError as error:
        return Row(line, {}, str(error))
    return Row(line, settings)


def _name(text: str, where: str | None = None) -> str:
    """The name of a setting as it is called in RunConfig. Raises UserError for none of FIELDS."""
    name = text.strip().replace("-", "_")
    if name not in FIELDS:
        error = unknown("setting", text.strip(), FIELDS)
        raise UserError(f"{where}: {error}") if where else error
    return name
