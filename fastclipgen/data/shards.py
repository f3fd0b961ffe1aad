"""Pictures in tar files as WebDataset writes them (`cc:`), without unpacking these.

Python's own tarfile finds where in a shard every picture begins, and from then on any picture is one seek away. The
package webdataset streams shards instead and shuffles in a buffer, so that what comes when depends on the number of
workers; here the order is that of any other list, and no further package is needed. Shards must be local and not
compressed (pictures are already).
"""

from __future__ import annotations

import glob
import re
import tarfile
from array import array
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from fastclipgen.data.listing import SUFFIXES, Listing, digest, divided
from fastclipgen.errors import UserError
from fastclipgen.outputs.load import load_image

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Shards:
    """The pictures in these tar files, in the order in which they lie there.

    Raises UserError for a file that is no plain tar. One that ends too early serves with what it has; `notice` gets a
    sentence about it.
    """

    def __init__(self, paths: list[Path], notice: Callable[[str], None]) -> None:
        self.paths = paths
        self._first: list[int] = []  # number of the first picture of each shard
        self._offset, self._size = array("q"), array("q")
        for path in paths:
            self._first.append(len(self._offset))
            self._scan(path, notice)

    def _scan(self, path: Path, notice: Callable[[str], None]) -> None:
        try:
            with tarfile.open(path, "r:") as archive:
                try:
                    for member in archive:
                        if member.isfile() and member.name.lower().endswith(SUFFIXES):
                            self._offset.append(member.offset_data)
                            self._size.append(member.size)
                except tarfile.TarError as error:
                    notice(f"'{path}' ends too early ({error}); the pictures before that are used")
        except FileNotFoundError:
            raise UserError(f"cc: names '{path}', and there is no such file; check the path") from None
        except (tarfile.TarError, OSError) as error:
            raise UserError(
                f"cc: takes plain tar files, '{path}' is none ({error}); unpack what is compressed"
            ) from error

    def __len__(self) -> int:
        return len(self._offset)

    def name(self, index: int) -> str:
        path = self._path(index)
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.offset_data == self._offset[index]:
                    return f"{path}:{member.name}"
        return f"{path}, at byte {self._offset[index]}"

    def load(self, index: int) -> Tensor:
        path = self._path(index)
        try:
            with open(path, "rb") as file:
                file.seek(self._offset[index])
                content = file.read(self._size[index])
        except OSError as error:
            raise UserError(f"'{path}' cannot be read ({error.strerror or error}); check the file") from error
        return load_image(f"{path}, at byte {self._offset[index]}", data=content)

    def identity(self) -> str:
        sizes = (f"{path.name} {first}" for path, first in zip(self.paths, self._first, strict=True))
        return digest([*sizes, digest(map(str, self._size))])

    def _path(self, index: int) -> Path:
        return self.paths[bisect_right(self._first, index) - 1]


def shards(pattern: str, notice: Callable[[str], None]) -> tuple[Listing, Listing]:
    """The pictures of `pattern`: (to train on, held out), one of fifty held out.

    pattern: tar files as WebDataset names them, `cc12m-{00000..01242}.tar`, or with *, ? and [...]. Raises UserError.
    """
    paths = [Path(path) for text in expand(pattern) for path in (sorted(glob.glob(text)) or [text])]
    what = f"cc:{pattern}"
    found = Shards(paths, notice)
    if not len(found):
        raise UserError(f"{what} needs pictures ({', '.join(SUFFIXES)}), there are none in its {len(paths)} tar files")
    return divided(found, what)


def expand(pattern: str) -> list[str]:
    """`a{08..10}` -> a08, a09, a10: every range of numbers written out, the first varying slowest."""
    found = _RANGE.search(pattern)
    if found is None:
        return [pattern]
    first, last = found.groups()
    numbers = [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
    return [text for n in numbers for text in expand(pattern[: found.start()] + n + pattern[found.end() :])]
