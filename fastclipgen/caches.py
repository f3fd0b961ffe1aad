"""Where this package keeps what it can make or fetch again. Makes no folder; knows nothing of what is kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_of(what: str) -> Path:
    """`fastclipgen/WHAT` in the folder that the user has set for caches, XDG_CACHE_HOME, else in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "fastclipgen" / what
