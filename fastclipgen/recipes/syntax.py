"""The text of an expression -> a bounded syntax tree of Python, and errors that point into the text.

Python's own parser reads the text; Python never runs it (`lowering.py` translates the few forms that are allowed).
Length and depth are bounded before anything recursive sees the tree.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from fastclipgen.errors import UserError

MAX_LENGTH = 2000
MAX_DEPTH = 100
_SHOWN = 60


class Misfit(Exception):
    """What does not fit, without its place: whoever knows the place makes a UserError of it."""


@dataclass(frozen=True)
class Source:
    """A text, what it is the value of, such as "example.yaml, line 3: targets[0].weight", and the key of its draws."""

    text: str
    where: str
    key: str = ""

    def error(self, what: str, at: ast.AST | int | None = None) -> UserError:
        """The error for this text: `what` is wrong `at` a node of its tree or a character counted from 0."""
        if isinstance(at, ast.expr | ast.keyword):
            at = len(self.text.encode()[: at.col_offset].decode(errors="ignore"))  # the parser counts bytes of UTF-8
        place = f" at character {at + 1}" if isinstance(at, int) else ""
        shown = self.text if len(self.text) <= _SHOWN else self.text[: _SHOWN - 3] + "..."
        return UserError(f"{self.where}: in the expression '{shown}'{place}: {what}")


def tree(source: Source) -> ast.expr:
    """The syntax tree of the text, at most `MAX_DEPTH` deep, on one line.

    Raises UserError for a text that is empty, longer than `MAX_LENGTH`, nested more deeply, or no Python expression.
    """
    if not source.text:
        raise source.error("expected an expression such as '1 - t', got nothing")
    if len(source.text) > MAX_LENGTH:
        raise source.error(f"expected at most {MAX_LENGTH} characters, got {len(source.text)}; shorten it")
    too_deep = f"expected at most {MAX_DEPTH} expressions within each other; write it with fewer brackets or terms"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser's advice, such as on "1if", is no advice for a YAML file
            parsed = ast.parse(source.text, mode="eval").body
    except SyntaxError as error:
        at = error.offset - 1 if error.offset else None
        raise source.error(
            f"expected an expression such as '1 - t' or 'max(8, 3*t)', but {_reason(error)}", at
        ) from None
    except ValueError as error:  # a null character, a lone surrogate, a number of thousands of digits
        raise source.error(f"expected plain text without unusual characters, but {error}") from None
    except (RecursionError, MemoryError):  # the parser's own bounds
        raise source.error(too_deep) from None
    level: list[ast.AST] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return parsed
    raise source.error(too_deep)


def _reason(error: SyntaxError) -> str:
    text = error.msg.split(". ")[0].rstrip(".")  # some versions go on with advice for programmers
    return text[:1].lower() + text[1:]


def clean(text: str) -> str:
    """The text on one line without blanks around it, as YAML's folded texts need it."""
    return " ".join(text.splitlines()).strip()
