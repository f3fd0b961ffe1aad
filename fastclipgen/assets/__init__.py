"""The weights and configurations that ship with the package, each with its card."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastclipgen.errors import UserError


def asset(name: str) -> Path:
    """The path of a shipped file. Raises UserError when this installation lacks it."""
    path = Path(str(resources.files(__name__) / name))
    if not path.is_file():
        raise UserError(
            f"expected the file '{name}' that ships with fastclipgen in {path.parent}, but it is missing; reinstall"
        )
    return path
