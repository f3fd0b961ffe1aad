"""The part of a film that is there already: with which settings it was made, and whether those are the same now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastclipgen.errors import UserError
from fastclipgen.outputs.metadata import read_metadata

# What a machine decides, and what differs from picture to picture.
_OTHER = {"device", "backend", "compile", "memory", "precision", "init", "init_over"}


def settings_in(paths: Sequence[Path]) -> dict[str, Any] | None:
    """The settings stored in the first of these files; None for none. Raises UserError where it stores none."""
    if not paths:
        return None
    settings = read_metadata(paths[0]).get("settings")
    if not isinstance(settings, dict):
        raise UserError(f"'{paths[0]}' was not made by fastclipgen; give an --out folder without it")
    return settings


def check_same(kept: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raises UserError where the pictures in `folder`, made with the settings `kept`, would go on with others."""
    for name, value in now.items():
        if name not in _OTHER and name in kept and kept[name] != value:
            raise UserError(
                f"the pictures in '{folder}' were made with {name} {kept[name]!r}, and now it is {value!r}; give the "
                "same options to go on with them, or another --out"
            )
