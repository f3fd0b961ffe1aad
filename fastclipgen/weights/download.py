"""One file from one of several addresses: resumed where it broke off, checked, and put in place whole or not at all.

What has come so far lies in NAME.part beside the target until its size and hash are right. Knows nothing of models.
huggingface_hub does the same for files of its hub (perceptors/hub.py); most of these lie elsewhere.
"""

from __future__ import annotations

import errno
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import constants
from huggingface_hub.utils import tqdm

from fastclipgen.errors import UserError
from fastclipgen.weights.files import hash_of, readable
from fastclipgen.weights.known import HUB
from fastclipgen.weights.transfer import Stalled, watched

STALL_SECONDS = 15.0
"""How long an address may take to answer, and how long a transfer may stand still."""

TRIES = 4
"""Connections in a row that may break off, or be turned away for now, without having brought anything new."""

PAUSE_SECONDS = 1.0
"""Before the second of them; before the third twice as long, and so on."""

_BLOCK = 1 << 20
_FOR_NOW = (408, 425, 429, 500, 502, 503, 504)


class _Refused(Exception):
    """This address does not have the file. The text says why, in words that follow the address."""


class _Broken(Exception):
    """The transfer broke off, and may be taken up again."""


def fetch(
    mirrors: Sequence[str],
    target: Path,
    label: str,
    *,
    sha256: str | None = None,
    size: int | None = None,
    notice: Callable[[str], None],
) -> str:
    """Brings the file to `target` from the first of the addresses that has it, and returns its SHA-256.

    sha256, size (bytes): what it must have, None where that is not known; a file that has another is deleted and the
    next address tried. label: names the file in sentences. Two processes must not fetch the same target at a time.
    Raises UserError, with what went wrong at every address, where none has it, the network must not be asked
    (HF_HUB_OFFLINE), or the disk is full or read-only; what has come by then is kept, and resumed the next time.
    """
    if constants.HF_HUB_OFFLINE:
        raise UserError(f"{label} is not at '{target}' and HF_HUB_OFFLINE is set; unset it, or put the file there")
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in mirrors:
            url = constants.ENDPOINT + url.removeprefix(HUB) if url.startswith(HUB) else url
            transfer = _Transfer(url, target.with_name(f"{target.name}.part"), sha256, size)
            notice(f"downloading {label} from {transfer.host} to '{target}'")
            try:
                return transfer.finish(target)
            except _Refused as refused:
                failures.append(f"{transfer.host} {refused}")
    except OSError as error:
        raise cannot_write(error, label, target) from error
    raise UserError(
        f"{label} cannot be downloaded: {'; '.join(failures)}; try again later, or put the file at '{target}' yourself"
    )


def cannot_write(error: OSError, label: str, target: Path) -> UserError:
    """What the disk has against the file, in the user's words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"no space left in '{target.parent}' for {label}; free some, or set XDG_CACHE_HOME")
    return UserError(f"cannot write {label} to '{target}' ({error.strerror or error}); set XDG_CACHE_HOME")


class _Transfer:
    """From one address into the file `part`.

    Where a hash will tell, `part` may hold what came from another address. Where none is known it must not, so a second
    file says where it came from and in which version, and the server is asked to go on only with that (If-Range).
    """

    def __init__(self, url: str, part: Path, sha256: str | None, size: int | None) -> None:
        self.url, self.part, self.sha256, self.size = url, part, sha256, size
        self.host = urlsplit(url).netloc
        self.origin = part.with_name(f"{part.name}.from")

    def finish(self, target: Path) -> str:
        """Fetches what is missing, checks the whole, puts it in place. Returns its SHA-256."""
        failed, furthest = 0, self._have()
        while not self._complete():
            try:
                self._pull()
                break
            except _Broken as broken:
                failed = 1 if self._have() > furthest else failed + 1
                furthest = max(furthest, self._have())
                if failed >= TRIES:
                    raise _Refused(str(broken)) from broken
            time.sleep(PAUSE_SECONDS * failed)
        found = hash_of(self.part)
        if self.sha256 not in (None, found):
            self._drop()
            raise _Refused(f"has another file (its SHA-256 is {found}, not {self.sha256})")
        with self.part.open("rb+") as file:
            os.fsync(file.fileno())
        self.part.replace(target)
        self._drop()
        return found

    def _pull(self) -> None:
        """One connection."""
        if self.sha256 is None and self._version() is None:
            self._drop()
        have = self._have()
        headers = {"User-Agent": "fastclipgen", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.sha256 is None:
                headers["If-Range"] = self._version() or ""
        response = self._open(headers, have)
        if response is None:
            return
        with closing(response):
            begin = have if response.status == 206 else 0
            stated = response.headers["Content-Length"]
            total = None if stated is None else begin + int(stated)
            self._check(response, have, total)
            if self.sha256 is None and not begin:
                version = response.headers["ETag"] or response.headers["Last-Modified"] or ""
                self.origin.write_text(f"{self.url}\n{'' if version.startswith('W/') else version}\n", encoding="utf-8")
            with self.part.open("ab" if begin else "wb") as file, _bar(self.host, begin, total) as bar:
                self._copy(response, file, bar)
        if total is not None and self._have() != total:
            raise _Broken(f"broke off after {readable(self._have())} of {readable(total)}")

    def _open(self, headers: dict[str, str], have: int) -> Any:
        """The answer; None where it is that there is nothing beyond what has come."""
        request = urllib.request.Request(self.url, headers=headers)
        try:
            # watched because nothing else bounds the time that name resolution takes
            return watched(lambda _: urllib.request.urlopen(request, timeout=STALL_SECONDS), STALL_SECONDS + 1)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                if error.headers["Content-Range"] == f"bytes */{have}":
                    return None
                self._drop()  # more is here than there
            if error.code in (416, *_FOR_NOW):
                raise _Broken(f"answers with HTTP status {error.code}") from error
            raise _Refused(f"answers with HTTP status {error.code}") from error
        except (OSError, http.client.HTTPException, Stalled) as error:
            reason = getattr(error, "reason", None) or error
            text = "does not answer" if isinstance(error, Stalled) else f"cannot be reached ({reason})"
            # an address that has just sent something may be back in a moment
            raise _Broken(text) if have else _Refused(text) from error

    def _check(self, response: Any, have: int, total: int | None) -> None:
        """Whether the answer can be the file."""
        if response.headers.get_content_type() == "text/html":
            raise _Refused("gives a web page instead of the file")
        if response.status == 206 and not (response.headers["Content-Range"] or "").startswith(f"bytes {have}-"):
            self._drop()
            raise _Broken("does not go on where the file broke off")
        if total is None and self.sha256 is None:
            raise _Refused("does not tell how large the file is")
        if total is not None and self.size not in (None, total):
            raise _Refused(f"has another file (of {total} bytes, not {self.size})")
        if (total or self.size or 0) - have > shutil.disk_usage(self.part.parent).free:
            raise OSError(errno.ENOSPC, "no space left")

    def _copy(self, response: Any, file: Any, bar: Any) -> None:
        while True:
            try:
                block = response.read1(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(f"broke off after {readable(file.tell())} ({error})") from error
            if not block:
                return
            file.write(block)
            bar.update(len(block))

    def _have(self) -> int:
        """Bytes that have come so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _complete(self) -> bool:
        """Whether everything has come, as far as that is known without asking."""
        if self.size is not None and self._have() > self.size:
            self._drop()
        return self.size is not None and self._have() == self.size

    def _version(self) -> str | None:
        """What the server called the version of which `part` is the beginning; None where that cannot be told."""
        with suppress(OSError, ValueError):
            url, version, *_ = self.origin.read_text(encoding="utf-8").split("\n")
            return version if url == self.url and version else None
        return None

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)


def _bar(host: str, begin: int, total: int | None) -> tqdm:
    return tqdm(desc=host, initial=begin, total=total, unit="B", unit_scale=True, disable=None)
