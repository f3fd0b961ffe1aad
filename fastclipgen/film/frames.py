"""Which files a film is made of, in which order, and under which names its pictures go. Opens none of them."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from fastclipgen.data.listing import SUFFIXES
from fastclipgen.errors import UserError
from fastclipgen.outputs.naming import IMAGE_SUFFIXES


def pictures_at(place: str | Path) -> list[Path]:
    """The picture files in a folder (not in folders in it), those that a pattern like 'frames/*.png' names, or the one
    at a path; hidden ones are left out. In the order in which people count: frame 2 comes before frame 10. Raises
    UserError where there are none."""
    path = Path(place).expanduser()
    if path.is_dir():
        found = list(path.iterdir())
    else:
        found = [path] if path.is_file() else [Path(name) for name in glob.glob(str(path), recursive=True)]
    pictures = [p for p in found if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    if not pictures:
        raise UserError(
            f"expected a folder of pictures ({', '.join(SUFFIXES)}), or a pattern that names some, but '{place}' has "
            "none; check the path"
        )
    return sorted(pictures, key=_counted)


def targets_of(sources: Sequence[Path], folder: Path) -> list[Path]:
    """The names of pictures made of `sources` in `folder`: their own, as PNG where no picture can be written in the
    source's format. Raises UserError where two get one name, or one that of a source."""
    targets: dict[str, Path] = {}
    of: dict[str, Path] = {}
    for source in sources:
        name = source.name if source.suffix.lower() in IMAGE_SUFFIXES else f"{source.stem}.png"
        key = name.casefold()  # as some file systems see it
        if key in of:
            raise UserError(f"'{of[key]}' and '{source}' would both become '{folder / name}'; rename one of them")
        targets[key], of[key] = folder / name, source
    taken = {source.resolve() for source in sources} & {target.resolve() for target in targets.values()}
    if taken:
        raise UserError(f"'{min(taken)}' would be made of itself; give an --out folder of its own")
    return list(targets.values())


def _counted(path: Path) -> tuple[list[str | int], str]:
    """A key that sorts by the numbers in a name, and then by the name."""
    # split by a group, every second part is a number
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], str(path)
