"""A YAML file or text -> a tree that knows the file and the line of everything in it, within bounds.

The tree is built from the parser's events, which are a flat stream, so depth, size and what aliases expand to are
counted while they grow. Scalars are those of YAML 1.1's safe types; other tags are errors. What the keys mean is not
known here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fastclipgen.errors import UserError

MAX_BYTES = 250_000
MAX_DEPTH = 50
MAX_VALUES = 5_000
MAX_DIGITS = 100  # of what is no text: a number in base 60 takes a time that grows with their square
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True, eq=False)
class Entry:
    """A value in a file: a scalar, a list of entries, or a dict of them by key. `line` counts from 1; 0: `file` says
    all there is to say of the place, such as an override on the command line.

    `size`: how many values it holds, itself among them, with aliases expanded.
    """

    value: Any
    file: str
    line: int
    size: int = 1

    def where(self, path: str = "") -> str:
        """For errors, such as "strawberries.yaml, line 3: targets[0].weight"."""
        line = f", line {self.line}" if self.line else ""
        return f"{self.file}{line}{': ' * bool(path)}{path}"

    def plain(self) -> Any:
        """The value without places: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        return [entry.plain() for entry in self.value] if isinstance(self.value, list) else self.value


@dataclass
class _Open:
    """A list or mapping that is being read."""

    line: int
    mapping: bool
    anchor: str | None
    entries: list[Entry] = field(default_factory=list)  # of a mapping: key, value, key, value ...
    merges: list[int] = field(default_factory=list)  # places of keys "<<"


def read_document(path: str) -> Entry:
    """The mapping in a YAML file, or in standard input for "-".

    Raises UserError for a file that cannot be read, is larger than `MAX_BYTES` or not UTF-8, and as `parse_document`.
    """
    file = "standard input" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig") if len(data) <= MAX_BYTES else "#" * len(data)
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a null character in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{file}: expected a YAML file that can be read, but: {reason}") from None
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Entry:
    """The mapping that a YAML text holds; an empty text is an empty mapping.

    Raises UserError with file and line for what is no YAML, no single mapping with texts as keys, has a key twice, or
    is larger than the bounds of this module, with all aliases expanded.
    """
    if len(text) > MAX_BYTES:
        raise UserError(
            f"{file}: expected at most {MAX_BYTES:,} characters of YAML; put pictures into files of their own"
        )
    try:
        root = _Reader(file, _Loader(text)).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{file}{line}: expected YAML, but {error.problem or error.context}; look at blanks and quotes"
        ) from None
    except (yaml.YAMLError, UnicodeError) as error:
        first = (str(error).splitlines() or ["unreadable"])[0]
        raise UserError(f"{file}: expected YAML, but {first}") from None
    if root is None or root.value is None:
        return Entry({}, file, 1)
    if not isinstance(root.value, dict):
        raise UserError(
            f"{root.where()}: expected keys with values, such as 'epochs: 300', got {str(root.plain())[:60]!r}"
        )
    return root


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, file: str, loader: Any) -> None:
        self.file, self.loader = file, loader
        self.open: list[_Open] = []
        self.anchors: dict[str, Entry | None] = {}
        self.count = 0

    def read(self) -> Entry | None:
        root: Entry | None = None
        documents = 0
        while self.loader.check_event():
            event = self.loader.get_event()
            done: Entry | None = None
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.error("expected one document, got a second one after '---'", event)
            elif isinstance(event, yaml.ScalarEvent):
                done = self.scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                done = self.alias(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self.start(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                done = self.close()
            if done is not None and self.open:
                self.open[-1].entries.append(done)
            elif done is not None:
                root = done
        return root

    def error(self, what: str, event: Any) -> UserError:
        return UserError(f"{self.file}, line {event.start_mark.line + 1}: {what}")

    def counted(self, size: int, event: Any) -> None:
        self.count += size
        if self.count > MAX_VALUES:
            raise self.error(
                f"expected at most {MAX_VALUES:,} values, those of aliases counted each time; shorten it", event
            )

    def scalar(self, event: Any) -> Entry:
        self.counted(1, event)
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag == _MERGE and self.open and self.open[-1].mapping and len(self.open[-1].entries) % 2 == 0:
            self.open[-1].merges.append(len(self.open[-1].entries))
            tag = f"{_STANDARD}str"
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            if tag != f"{_STANDARD}str" and len(event.value) > MAX_DIGITS:
                raise ValueError
            value = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, ArithmeticError, TypeError, LookupError):
            kind = tag.removeprefix(_STANDARD)[:40]
            raise self.error(
                f"expected a number, a text or a date, got '{event.value[:40]}' as '{kind}'", event
            ) from None
        entry = Entry(value, self.file, event.start_mark.line + 1)
        if event.anchor:
            self.anchors[event.anchor] = entry
        return entry

    def alias(self, event: Any) -> Entry:
        entry = self.anchors.get(event.anchor)
        if entry is None:
            inside = event.anchor in self.anchors
            reason = "stands within what it refers to" if inside else "refers to nothing above it"
            raise self.error(f"expected an alias of a value above, but '*{event.anchor}' {reason}", event)
        self.counted(entry.size, event)
        if self.depth_of(entry) + len(self.open) > MAX_DEPTH:
            raise self.error(f"expected at most {MAX_DEPTH} values within each other", event)
        return entry

    def depth_of(self, entry: Entry) -> int:
        """Levels below and with an entry: at most `MAX_DEPTH`, as nothing deeper is ever made."""
        if not isinstance(entry.value, dict | list):
            return 0
        inner = entry.value.values() if isinstance(entry.value, dict) else entry.value
        return 1 + max(map(self.depth_of, inner), default=0)

    def start(self, event: Any) -> None:
        self.counted(1, event)
        if len(self.open) >= MAX_DEPTH:
            raise self.error(f"expected at most {MAX_DEPTH} values within each other", event)
        if event.tag not in (None, "!", f"{_STANDARD}map", f"{_STANDARD}seq"):
            raise self.error(f"expected a list or keys with values without a tag, got '{event.tag[:40]}'", event)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.open.append(_Open(event.start_mark.line + 1, isinstance(event, yaml.MappingStartEvent), event.anchor))

    def close(self) -> Entry:
        closed = self.open.pop()
        value = self.mapping(closed) if closed.mapping else closed.entries
        entry = Entry(value, self.file, closed.line, 1 + sum(item.size for item in closed.entries))
        if closed.anchor:
            self.anchors[closed.anchor] = entry
        return entry

    def mapping(self, closed: _Open) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for place in range(0, len(closed.entries), 2):
            key, value = closed.entries[place : place + 2]
            if place in closed.merges:
                for source in value.value if isinstance(value.value, list) else [value]:
                    if not isinstance(source.value, dict):
                        raise UserError(
                            f"{value.where()}: expected keys with values after '<<', got '{source.plain()}'"
                        )
                    merged = {**source.value, **merged}
                continue
            if not isinstance(key.value, str):
                shown = str(key.plain())[:40]
                raise UserError(
                    f"{key.where()}: expected a name as a key, got '{shown}'; put a text like this into quotes"
                )
            if key.value in own:
                first = own[key.value].line
                raise UserError(
                    f"{key.where()}: expected every key once, got '{key.value[:40]}' again (see line {first})"
                )
            own[key.value] = value
        return {**merged, **own}
