"""The argument parser of all commands: argparse, with mistakes as one sentence and prompts anywhere between options.

Knows nothing of any command's options.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fastclipgen.errors import UserError, nearest


class Parser(argparse.ArgumentParser):
    """Raises UserError where argparse prints its usage and exits. Options are not abbreviated, so that a script goes
    on to mean the same when an option is added. A positional with nargs="*" collects what stands anywhere between the
    options, and everything after "--"; argparse alone takes the first group only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter} | options)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # argparse itself takes -1,1 for an option

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message.rstrip('.')}; see {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options and positionals in `arguments`. Raises UserError; SystemExit after --help and --version."""
        collects = next((a.dest for a in self._actions if not a.option_strings and a.nargs == "*"), None)
        given, rest = list(arguments), []
        if collects and "--" in given:
            at = given.index("--")
            given, rest = given[:at], given[at + 1 :]
        args, extra = self.parse_known_args(given)
        unknown = [text for text in extra if text.startswith("-") and text != "-"]
        if unknown or (extra and not collects):
            self._refuse(unknown[0] if unknown else extra[0])
        if collects:
            setattr(args, collects, [*getattr(args, collects), *extra, *rest])
        return args

    def _refuse(self, text: str) -> NoReturn:
        if text.startswith("-"):
            name = text.partition("=")[0]
            self.error(f"unknown option '{name}'{nearest(name, self.option_names())}")
        self.error(f"unexpected argument '{text}'")

    def option_names(self) -> list[str]:
        """All options of this parser and of its subcommands, as they are written."""
        names = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    names += parser.option_names()
        return names


def whole(least: int | None = None) -> Callable[[str], int]:
    """An argument type: a whole number, of `least` or more."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, got '{text}'") from None
        if least is not None and value < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of {least} or more, got {value}")
        return value

    return convert


def span(text: str) -> tuple[float, float]:
    """An argument type: two numbers with a comma between them."""
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"expected two numbers as LOW,HIGH, got '{text}'")
    return number(parts[0]), number(parts[1])


def number(text: str) -> float:
    """An argument type: any number; what is allowed is said by whoever uses it."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got '{text}'") from None
