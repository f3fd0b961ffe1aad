"""Texts with choices in them: `{a red|a blue} fox`, `{2::day|night}`, `a fox in __place__`.

`__NAME__` is a line of wildcards/NAME.txt beside the file, or of a list in the file; braces hold alternatives, a weight
before `::`. Both may stand within each other. What is chosen depends on the seed of the picture, the key path of the
text and the order of choices, and on nothing else; `\\{`, `\\|`, `\\}` and `\\_` stand for themselves.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from fastclipgen.errors import UserError

MAX_NESTED = 10
MAX_CHOICES = 256
MAX_LENGTH = 10_000  # of a text that comes out, and of a line
_TOKEN = re.compile(r"\\[{}|_\\]|__([A-Za-z0-9](?:[A-Za-z0-9/-]|_(?!_))*)__|[{}|]")
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})\s*::")
Lines = Callable[[str], Sequence[str]]
"""The lines that a name stands for. Raises UserError."""


@dataclass(frozen=True)
class Line:
    """One line of the list with this name."""

    name: str


@dataclass(frozen=True)
class Choice:
    """One of some sequences. ends: the running sums of their weights."""

    parts: tuple[tuple[Part, ...], ...]
    ends: tuple[float, ...]


Part = str | Line | Choice
Parser = Callable[[str], "tuple[Part, ...]"]


def special(text: str) -> bool:
    """Whether the text has anything to choose, or anything escaped."""
    return _TOKEN.search(text) is not None


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a text. Raises UserError for braces without their partner or nested too deeply."""
    stack: list[list[list[Part]]] = [[[]]]
    weights: list[list[float]] = [[1.0]]
    at = 0
    while at < len(text):
        found = _TOKEN.search(text, at)
        stack[-1][-1].append(text[at : found.start()] if found else text[at:])
        if found is None:
            break
        at, token = found.end(), found[0]
        if token.startswith("\\"):
            stack[-1][-1].append(token[1])
        elif found[1]:
            stack[-1][-1].append(Line(found[1]))
        elif token == "|" and len(stack) == 1:
            stack[-1][-1].append(token)
        elif token == "}":
            if len(stack) == 1:
                raise _unbalanced(text, "'}' has no '{' before it")
            closed = Choice(tuple(map(tuple, stack.pop())), tuple(accumulate(weights.pop())))
            if not closed.ends[-1]:
                raise _unbalanced(text, "all alternatives have weight 0")
            stack[-1][-1].append(closed)
        else:
            if token == "{":
                stack.append([])
                weights.append([])
                if len(stack) > MAX_NESTED:
                    raise _unbalanced(text, f"more than {MAX_NESTED} braces are within each other")
            weight = _WEIGHT.match(text, at)
            weights[-1].append(float(weight[1]) if weight else 1.0)
            stack[-1].append([])
            at = weight.end() if weight else at
    if len(stack) > 1:
        raise _unbalanced(text, "'{' has no '}' after it")
    return tuple(stack[0][0])


def _unbalanced(text: str, what: str) -> UserError:
    return UserError(
        f"expected alternatives as in '{{a|b}}', but in '{text[:60]}' {what}; write \\{{ and \\}} for braces, or "
        "'wildcards: false' for texts without choices"
    )


def choose(
    parts: Sequence[Part], draw: Callable[[], float], lines: Lines, read: Parser = parse, nested: int = 0
) -> str:
    """One text. draw: the next uniform number in [0, 1); read: `parse`, for lines. Raises UserError for wildcards too
    deep and lines too long."""
    if nested > MAX_NESTED:
        raise UserError(f"expected at most {MAX_NESTED} wildcards within each other; look for one that holds itself")
    chosen: list[str] = []
    for part in parts:
        if isinstance(part, str):
            chosen.append(part)
        elif isinstance(part, Line):
            known = lines(part.name)
            line = known[min(len(known) - 1, int(draw() * len(known)))]
            if len(line) > MAX_LENGTH:
                raise UserError(
                    f"expected lines of at most {MAX_LENGTH:,} characters, got longer ones in __{part.name}__"
                )
            chosen.append(choose(read(line), draw, lines, read, nested + 1))
        else:
            place = min(bisect_right(part.ends, draw() * part.ends[-1]), len(part.ends) - 1)
            chosen.append(choose(part.parts[place], draw, lines, read, nested))
    return "".join(chosen)
