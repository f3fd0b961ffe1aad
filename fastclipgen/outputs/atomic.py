"""A file appears complete under a free name, or not at all. Knows nothing of what the bytes mean.

The bytes go to a temporary file in the same folder; a hard link then gives them the final name. The link fails where
the name exists, so two processes can never take the same name, and no empty file marks a reserved one. Only
`replace_file` writes over a file.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from fastclipgen.errors import UserError
from fastclipgen.outputs.naming import IMAGE_SUFFIXES, NameFields, Target, expand, free_path

_WHY = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EACCES: "the folder is not writable; choose another one",
    errno.EPERM: "the folder is not writable; choose another one",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EEXIST: "a file is where a folder is needed; choose another folder or move that file",
    errno.ENOTDIR: "a file is where a folder is needed; choose another folder or move that file",
    errno.ENAMETOOLONG: "the name is too long; shorten the output template",
}


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turns an OSError met while writing `path` into a UserError that says what to do."""
    try:
        yield
    except OSError as error:
        why = _WHY.get(error.errno or 0, f"{error.strerror or error}; choose another folder")
        raise UserError(f"cannot write '{path}': {why}") from error


class OutputFile:
    """A binary file (readable and seekable) that gets its name on `commit` and vanishes on `discard`.

    As a context manager it discards whatever was not committed. Folders are made. Raises UserError where the folder
    or the file cannot be made.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        with writing_errors(target.path):
            target.folder.mkdir(parents=True, exist_ok=True)
            self._temporary = target.folder / f".{secrets.token_hex(8)}.tmp"
            self.file = os.fdopen(_create(self._temporary), "w+b")

    def commit(self) -> Path:
        """Writes everything to the disk, gives the file the first free name, and returns that."""
        try:
            with writing_errors(self.target.path):
                self.file.flush()
                os.fsync(self.file.fileno())
                self.file.close()
                return _publish(self._temporary, self.target)
        finally:
            self.discard()

    def discard(self) -> None:
        """Closes and removes the temporary file; does nothing the second time."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            os.unlink(self._temporary)

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.discard()


def write_file(target: Target, data: bytes) -> Path:
    """Writes `data` under the first free name for `target` and returns that; raises UserError."""
    with OutputFile(target) as output:
        with writing_errors(target.path):
            output.file.write(data)
        return output.commit()


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """What `write` writes under a temporary name in the same folder, then a rename over whatever has the name: a kill
    leaves the old file or the new one. For files of a run that grow with it. Raises UserError where it cannot be
    written."""
    temporary = path.with_suffix(".tmp")
    with writing_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def check_writable(
    template: str | Path, fields: NameFields | None = None, suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> None:
    """Raises UserError if a file of this template could not be written; call it before a long run. Leaves no trace."""
    target = expand(template, fields, suffixes)
    folder = target.folder
    while not os.path.lexists(folder):
        folder = folder.parent
    with writing_errors(target.path):
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        # Permission bits do not tell (root, read-only mounts, quotas), so a block is written and removed again.
        probe = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            with os.fdopen(_create(probe), "wb") as file:
                file.write(bytes(4096))
        finally:
            with suppress(OSError):
                os.unlink(probe)


def _create(path: Path) -> int:
    """The descriptor of a new file; `tempfile` would make it private, here the umask decides as for any file."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def _publish(temporary: Path, target: Target) -> Path:
    """Gives the finished `temporary` the first free name."""
    number = 0
    while True:
        path, number = free_path(target, after=number)
        try:
            _rename_to_new(temporary, path)
            return path
        except FileExistsError:
            continue  # another process was faster: count on from its number


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Renames without replacing; raises FileExistsError if `path` exists."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links (FAT, some network mounts): the name is taken first, then replaced.
        os.close(_create(path))
        try:
            os.replace(temporary, path)
        except OSError:
            os.unlink(path)
            raise
