"""Published weights by their names: is one on this machine, is it still what it was, bring it here.

They lie in one folder of the package's caches. Each use of one reads it whole and compares its hash: with the one that
others state (known.py), or, where nobody states any, with the one it had when it came, which is written beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fastclipgen.caches import cache_of
from fastclipgen.weights import download, known
from fastclipgen.weights.files import hash_of
from fastclipgen.weights.known import Known
from fastclipgen.weights.names import split_config

Notice = Callable[[str], None]


def path_of(weights: Known) -> Path:
    """Where the file of these weights is, or would be."""
    return cache_of("weights") / weights.filename


def is_name(text: str, option: str) -> bool:
    """Whether `text`, NAME[:YAML], names published weights that `--option` takes. A file of that name comes first."""
    return _named(split_config(text)[0], option) is not None


def fetched(text: str, option: str, notice: Notice) -> str:
    """`text` with the name of published weights replaced by the path of their file, which is downloaded if need be;
    whatever else it names is left as it is. Raises UserError."""
    name, config = split_config(text)
    weights = _named(name, option)
    if weights is None:
        return text
    path = str(obtain(weights, notice))
    return path if config is None else f"{path}:{config}"


def obtain(weights: Known, notice: Notice) -> Path:
    """The file of these weights, checked; downloaded where it is not here, or not what it was. Raises UserError."""
    path = path_of(weights)
    if _is_here(weights, path, notice):
        return path
    with _alone(weights, path, notice):
        if _is_here(weights, path, notice):
            return path
        expected = weights.sha256 or _recorded(path)
        found = download.fetch(
            weights.mirrors,
            path,
            _label(weights),
            sha256=expected,
            size=weights.size,
            notice=notice,
        )
        if expected is None:
            _record(weights, path, found, notice)
    return path


@contextmanager
def _alone(weights: Known, path: Path, notice: Notice) -> Iterator[None]:
    """Within, no other process fetches the same file. The lock is the system's: it ends with the process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            notice(f"another process downloads '{weights.name}'; waiting for it")
            lock.acquire()
    except OSError as error:
        raise download.cannot_write(error, _label(weights), path) from error
    try:
        yield
    finally:
        lock.release()


def _label(weights: Known) -> str:
    return f"'{weights.name}' ({weights.what})"


def _named(name: str, option: str) -> Known | None:
    found = known.find(name)
    return found if found is not None and found.option == option and not Path(name).exists() else None


def _is_here(weights: Known, path: Path, notice: Notice) -> bool:
    """Whether the file is here and what it should be."""
    if not path.is_file():
        return False
    expected, found = weights.sha256 or _recorded(path), hash_of(path)
    if expected is None:  # put there by hand
        _record(weights, path, found, notice)
    elif found != expected:
        notice(f"'{path}' was changed or damaged (its SHA-256 is {found}, not {expected}); fetching it again")
    return expected in (None, found)


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    """The hash that was written down when the file came; None where there is none."""
    file = _record_of(path)
    words = file.read_text(encoding="utf-8").split() if file.is_file() else []
    return words[0] if words else None


def _record(weights: Known, path: Path, found: str, notice: Notice) -> None:
    """Writes the hash beside the file, in the form of sha256sum."""
    _record_of(path).write_text(f"{found}  {path.name}\n", encoding="utf-8")
    notice(f"not verified: nobody states the SHA-256 of '{weights.name}'; from now on it must be {found}, as it is now")
