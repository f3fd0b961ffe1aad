"""What can be said of any file: its hash, and its size in words."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any


def hash_of(path: Path, digest: Any = None) -> str:
    """The hex digest of a file's content: SHA-256, or that of the hashlib object `digest`, which it goes on with."""
    digest = hashlib.sha256() if digest is None else digest
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def readable(size: int) -> str:
    """Bytes as people write them, in powers of 1000 as disks and the hub do."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
