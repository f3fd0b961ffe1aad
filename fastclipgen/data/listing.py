"""Lists of pictures that lie somewhere, by number; what is done with them is decided elsewhere."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.outputs.load import load_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


class Listing(Protocol):
    """Pictures 0..len - 1, always in the same order."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Where a picture lies, for people."""
        ...

    def load(self, index: int) -> Tensor:
        """A picture as float32 [3, H, W] in 0..1. Raises UserError for one that cannot be read."""
        ...

    def identity(self) -> str:
        """A digest of which pictures these are, without a look into them."""
        ...


class Files:
    """The files `names` below `root`."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self.root, self.names = root, list(names)

    @property
    def paths(self) -> list[Path]:
        return [self.root / name for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return str(self.root / self.names[index])

    def load(self, index: int) -> Tensor:
        return load_image(self.root / self.names[index])

    def identity(self) -> str:
        return digest(self.names)


class Part:
    """Some pictures of another list."""

    def __init__(self, whole: Listing, indices: list[int]) -> None:
        self.whole, self.indices = whole, indices

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return self.whole.name(self.indices[index])

    def load(self, index: int) -> Tensor:
        return self.whole.load(self.indices[index])

    def identity(self) -> str:
        return digest([self.whole.identity(), *map(str, self.indices)])


def pictures_below(folder: Path, what: str) -> Files:
    """The picture files in a folder and all folders in it, sorted by name; hidden ones are left out. Links to folders
    are not followed. `what` names the data in errors. Raises UserError where it is no folder or has no pictures."""
    if not folder.is_dir():
        raise UserError(f"{what} needs the folder '{folder}', and there is none; check the path")
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(place).relative_to(folder)
        names += [str(inside / f) for f in files if f.lower().endswith(SUFFIXES) and not f.startswith(".")]
    if not names:
        raise UserError(f"{what} needs pictures ({', '.join(SUFFIXES)}), there are none below '{folder}'")
    return Files(folder, sorted(names))


def divided(whole: Listing, what: str, share: int = 50, most: int = 5000) -> tuple[Part, Part]:
    """A list without a part of its own to be held out -> (to train on, held out): one picture of every `share`, evenly
    spread over the list, at least one and at most `most`. Raises UserError for fewer than two pictures."""
    count = len(whole)
    if count < 2:
        raise UserError(f"{what} needs 2 pictures or more, one of them to be held out, got {count}")
    held = max(1, min(most, count // share))
    chosen = {(2 * k + 1) * count // (2 * held) for k in range(held)}
    return Part(whole, [i for i in range(count) if i not in chosen]), Part(whole, sorted(chosen))


def digest(parts: Iterable[str]) -> str:
    """A short digest of strings, of which none can pass for two."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return total.hexdigest()[:32]
