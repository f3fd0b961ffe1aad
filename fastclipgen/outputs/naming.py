"""Output names: a template and its fields become a path, and a taken path becomes the next free one.

Knows nothing of what is written; `atomic.py` puts the bytes under the name found here.
"""

from __future__ import annotations

import os
import re
import string
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath

from fastclipgen.errors import UserError, unknown

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
VIDEO_SUFFIXES = (".mp4", ".gif", ".webp")
DEFAULT_STEM = "{slug}-{seed}"
DEFAULT_TEMPLATE = f"outputs/{DEFAULT_STEM}.png"

# File systems take 255 bytes a name; the rest is room for "-<number>".
MAX_NAME_BYTES = 240
_SLUG_BYTES = 80
_PROMPT_BYTES = 120
_FORMAT_SPEC = re.compile(r"[<>^]?\d{0,2}(\.\d{1,2})?[ds]?")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class NameFields:
    """What a template may name, for one picture: `prompt`, `slug`, `seed`, `index`, `date`, `time`, `generator`."""

    prompt: str = ""
    seed: int = 0
    index: int = 0
    generator: str = ""
    when: datetime = field(default_factory=datetime.now)

    def values(self) -> dict[str, str | int]:
        """The fields by name; no text among them can leave the folder or upset a file system."""
        return {
            "prompt": _readable(self.prompt, _PROMPT_BYTES),
            "slug": slugify(self.prompt),
            "seed": self.seed,
            "index": self.index,
            "date": self.when.strftime("%Y-%m-%d"),
            "time": self.when.strftime("%H%M%S"),
            "generator": slugify(self.generator, empty="generator"),
        }


@dataclass(frozen=True)
class Target:
    """Where a file shall go: `folder/stem + suffix`, or `folder/base-<number> + suffix` once that is taken."""

    folder: Path
    stem: str
    base: str
    suffix: str

    @property
    def path(self) -> Path:
        """The wanted path, free or not."""
        return self.folder / f"{self.stem}{self.suffix}"


def slugify(text: str, limit: int = _SLUG_BYTES, empty: str = "picture") -> str:
    """A lower-case name of letters, marks, digits, symbols such as emoji, "_" and "-", at most `limit` UTF-8 bytes.

    Letters of every script are kept. Text without any of these gives `empty`.
    """
    kept = "".join(
        c if c == "_" or unicodedata.category(c)[0] in "LMN" or unicodedata.category(c) == "So" else "-"
        for c in unicodedata.normalize("NFKC", text).lower()
    )
    slug = _cut(re.sub(r"-{2,}", "-", kept).strip("-_"), limit).rstrip("-_")
    return f"{slug}_" if _WINDOWS_DEVICES.fullmatch(slug) else slug or empty


def expand(
    template: str | Path,
    fields: NameFields | None = None,
    suffixes: tuple[str, ...] = IMAGE_SUFFIXES,
    tag: str = "",
) -> Target:
    """The target that `template` names, e.g. "outputs/{slug}-{seed}-{index:05}.png"; nothing is written.

    A template that ends in a separator, or names an existing folder, means the default name inside it. The extension
    decides the format and must be one of `suffixes` (the first is the default). `tag` goes before the extension.
    Number endings that come from a field, such as a seed, belong to the name; only a number that the user wrote
    ("out-5.png") is counted up when the name is taken.

    Raises UserError for unknown fields, wrong extensions and names that no file system takes.
    """
    text = str(template)
    # pathlib drops a trailing separator, so it is looked for in the text.
    if not text.strip() or text.endswith(("/", os.sep)) or os.path.isdir(os.path.expanduser(text)):
        text = os.path.join(text.strip(), DEFAULT_STEM + suffixes[0])
    suffix = PurePath(text).suffix
    if suffix.lower() not in suffixes:
        got = f"'{suffix}'" if suffix else "no extension"
        raise UserError(
            f"output name '{template}' must end in one of {', '.join(suffixes)} but has {got}; "
            "add one of them, or end the name with '/' for a folder"
        )
    text = text[: -len(suffix)]
    path = Path(os.path.expanduser(_format(text, fields or NameFields())))
    stem = path.name + tag
    for part in (*path.parts[:-1], stem + suffix):
        if len(part.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
            raise UserError(
                f"output name '{part[:40]}...' is longer than {MAX_NAME_BYTES} bytes; shorten the output template"
            )
    if not path.name.strip(". ") or re.search("[\0\ud800-\udc7f]", str(path)):
        raise UserError(f"output name {str(template)!r} leaves no usable file name; put a name before the extension")
    counted = re.search(r"-[0-9]+$", text[text.rfind("}") + 1 :] + tag)
    base = stem[: -len(counted[0])] if counted else stem
    return Target(path.parent, stem, base, suffix)


def free_path(target: Target, after: int = 0) -> tuple[Path, int]:
    """The first free path for `target` and its number (0 for the wanted path itself); numbers up to `after` are out.

    CLIPig's numbering (github.com/defgsus/CLIPig): 1 + the largest number in use, so gaps are never filled again.
    """
    if not after and not os.path.lexists(target.path):
        return target.path, 0
    # Case is ignored since some file systems do; at worst a number is skipped.
    pattern = re.compile(re.escape(target.base) + r"-([0-9]+)\.", re.IGNORECASE)
    with os.scandir(target.folder) as entries:
        taken = [int(match[1]) for entry in entries if (match := pattern.match(entry.name))]
    number = 1 + max(after, *taken, 0)
    return target.folder / f"{target.base}-{number}{target.suffix}", number


def _format(template: str, fields: NameFields) -> str:
    """`template` with its fields filled in; no attribute access, conversions or nested fields."""
    values = fields.values()
    parts = []
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            parts.append(literal)
            if name is None:
                continue
            if name not in values:
                raise unknown("field in the output template", name, values)
            if conversion or not _FORMAT_SPEC.fullmatch(spec or ""):
                raise ValueError(f"'{spec or conversion}' is not a format such as ':05'")
            parts.append(format(values[name], spec or ""))
    except ValueError as error:
        raise UserError(
            f"output template '{template}' cannot be read: {error}; write fields as {{seed}} or {{index:05}}, "
            "and braces of the name itself as {{ and }}"
        ) from error
    return "".join(parts)


def _readable(text: str, limit: int) -> str:
    """`text` as it was written, less what a file name cannot hold."""
    kept = re.sub(r'[/\\:*?"<>|]', " ", unicodedata.normalize("NFC", text))
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in kept)
    kept = _cut(" ".join(kept.split()).lstrip("-~. "), limit).rstrip(". ")
    return f"{kept}_" if _WINDOWS_DEVICES.fullmatch(kept) else kept or "picture"


def _cut(text: str, limit: int) -> str:
    """The longest start of `text` within `limit` UTF-8 bytes, ending at a word where the last half has such a place."""
    encoded = text.encode("utf-8", "ignore")
    if len(encoded) <= limit:
        return text
    start = encoded[:limit].decode("utf-8", "ignore")
    if text[len(start)] in "- ":
        return start
    place = max(start.rfind("-"), start.rfind(" "))
    return start[:place] if place > len(start) // 2 else start
