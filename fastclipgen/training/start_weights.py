"""`--start`: a training that begins with the weights of another run instead of random ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastclipgen.errors import UserError

RANDOM = "random"  # instead of a path


def check_geometry(path: str, got: Any, wanted: Any) -> None:
    """Raises UserError where a file's geometry (a dataclass) is not the one that is trained."""
    ours, theirs = asdict(wanted), asdict(got)
    if differing := [name for name in ours if ours[name] != theirs[name]]:
        raise UserError(
            f"--start '{path}' has {', '.join(f'{name} {theirs[name]}' for name in differing)}, but this training is "
            f"of {', '.join(f'{name} {ours[name]}' for name in differing)}; give the options that it was trained with"
        )
