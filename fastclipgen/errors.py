"""The one exception a user may cause, and the nearest-name help that goes into its sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user asked for or gave.

    The message is one sentence: what was expected, what came, where, what to do. The command line prints it
    without a traceback and exits with code 2.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as "; did you mean 'stack'?" for the known name closest to `name`, or "" when none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in `known`, listing what is."""
    names = sorted(known)
    return UserError(f"unknown {kind} '{name}'{nearest(name, names)} (known: {', '.join(names)})")
