"""Model files from the Hugging Face hub: is it there, is the file cached, fetch it, check what came.

huggingface_hub does the transfer and owns the cache. This file adds what it lacks: the news that no hub answers comes
in under three seconds and only once per process, a transfer that stands still is given up, the content is checked
against its hash, and every failure is one sentence. Knows nothing of models: a `Source` is a repository and file names.

HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME and HF_HUB_CACHE are read by huggingface_hub itself; its constants are the truth.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import get_session

from fastclipgen.errors import UserError
from fastclipgen.weights.files import hash_of
from fastclipgen.weights.transfer import Clock, Stalled, bar_for, watched

PROBE_SECONDS = 2.0
"""How long the hub may take to answer the probe; the thread around it gives name resolution half a second more."""

METADATA_SECONDS = 5.0
"""How long the hub may take to describe one file."""

STALL_SECONDS = 15.0
"""A transfer that got no further than before for this long is given up."""


@dataclass(frozen=True)
class Source:
    """Where a file is on the hub: a repository and, in order of preference, the names it may have there."""

    repo: str
    filenames: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether the hub answers and, if not, why."""

    answers: bool
    reason: str = ""


_verdict: Verdict | None = None


def probe() -> Verdict:
    """Whether the hub answers. Takes under 3 s the first time and nothing after: the verdict holds for the process."""
    global _verdict
    if _verdict is None:
        _verdict = _ask()
    return _verdict


def _ask() -> Verdict:
    if constants.HF_HUB_OFFLINE:
        return Verdict(False, "HF_HUB_OFFLINE is set")

    def head(_: Clock) -> int:
        return get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS).status_code

    try:
        # in a thread because no HTTP client bounds the time that name resolution takes
        status = watched(head, PROBE_SECONDS + 0.2)
    except Stalled:
        return Verdict(False, f"{constants.ENDPOINT} did not answer within {PROBE_SECONDS:g} s")
    except Exception as error:  # whatever the HTTP client raises, it means the same: no hub
        return Verdict(False, f"{constants.ENDPOINT} cannot be reached: {_brief(error)}")
    if status >= 500:
        return Verdict(False, f"{constants.ENDPOINT} answers with HTTP status {status}")
    return Verdict(True)


def cached(source: Source) -> Path | None:
    """The file in the local cache, under the first of its names that is there, or None. Never asks the network.

    Raises UserError for a repository name that cannot be one.
    """
    try:
        for filename in source.filenames:
            found = try_to_load_from_cache(source.repo, filename, cache_dir=constants.HF_HUB_CACHE)
            if isinstance(found, str):
                return Path(found)
    except HFValidationError as error:
        raise UserError(f"a repository of the hub is written ORG/MODEL, got '{source.repo}'; check the name") from error
    return None


def obtain(source: Source, label: str) -> Path:
    """The cached file, or the downloaded one. `label` names the model in errors. Raises UserError."""
    return cached(source) or download(source, label)


def download(source: Source, label: str) -> Path:
    """Fetches the file into the cache with a progress bar, checks it, returns its path.

    Raises UserError, one sentence each, when no hub answers, the hub has no such file, the transfer breaks off, stands
    still or differs from what was announced. Nothing that failed stays in the cache.
    """
    verdict = probe()
    if not verdict.answers:
        raise UserError(
            f"{label} is not in the cache {constants.HF_HUB_CACHE} and cannot be downloaded ({verdict.reason}); "
            "go online, or give a local checkpoint as --clip NAME:PATH, or use --clip builtin"
        )
    filename, etag = _locate(source, label)

    def fetch(clock: Clock) -> str:
        return hf_hub_download(
            source.repo,
            filename,
            cache_dir=constants.HF_HUB_CACHE,
            endpoint=constants.ENDPOINT,
            etag_timeout=METADATA_SECONDS,
            tqdm_class=bar_for(clock),
        )

    try:
        path = Path(watched(fetch, STALL_SECONDS, lambda: _arrived(source.repo)))
    except Exception as error:
        raise _sentence(error, label, f"{source.repo}/{filename}") from error
    if _matches(path, etag) is False:
        discard(path)
        raise UserError(
            f"the download of {label} arrived damaged: {source.repo}/{filename} does not have the hash that "
            f"{constants.ENDPOINT} announced; it was deleted, try again or another network"
        )
    return path


def intact(path: Path) -> bool | None:
    """Whether a cached file has the hash the hub gave for it; None when the cache does not tell the hash.

    Reads the whole file.
    """
    return _matches(path, Path(os.readlink(path)).name) if path.is_symlink() else None


def discard(path: Path) -> None:
    """Deletes a cached file: the entry in the snapshot and the content behind it."""
    if path.is_symlink():
        # one step only: the content may itself be a link into a store shared with other programs
        (path.parent / os.readlink(path)).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


@contextmanager
def cache_only_when_unreachable() -> Iterator[None]:
    """Within, libraries built on huggingface_hub do not ask the network, if no hub answers anyway."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or (_verdict is not None and not _verdict.answers)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _arrived(repo: str) -> float:
    """Bytes of the largest unfinished file of a repository, whichever process downloads it."""
    blobs = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "blobs"
    sizes = []
    for file in blobs.glob("*.incomplete"):
        with suppress(OSError):  # finished or given up meanwhile
            sizes.append(file.stat().st_size)
    return max(sizes, default=0)


def _locate(source: Source, label: str) -> tuple[str, str]:
    """The first of the source's names that the hub has, and the hash it announces for it."""
    missing: Exception | None = None
    for filename in source.filenames:
        url = hf_hub_url(source.repo, filename, endpoint=constants.ENDPOINT)

        def describe(_: Clock, url: str = url) -> Any:
            return get_hf_file_metadata(url, timeout=METADATA_SECONDS, endpoint=constants.ENDPOINT)

        try:
            metadata = watched(describe, METADATA_SECONDS + 0.5)
        except EntryNotFoundError as error:
            missing = error
            continue
        except Exception as error:
            raise _sentence(error, label, f"{source.repo}/{filename}") from error
        if metadata.commit_hash is None or metadata.etag is None:
            raise UserError(
                f"{label} cannot be downloaded: {constants.ENDPOINT} answers but not as a model hub does (a sign-in "
                "page of the network, or a wrong HF_ENDPOINT?); check the network and HF_ENDPOINT"
            )
        return filename, metadata.etag
    raise UserError(
        f"{label} cannot be downloaded: {constants.ENDPOINT}/{source.repo} has none of {', '.join(source.filenames)}; "
        "choose another tag (see 'fastclipgen models')"
    ) from missing


def _matches(path: Path, etag: str) -> bool | None:
    """Whether the content has this hash: the hub's etag is a SHA-256 for large files, git's blob SHA-1 for others."""
    if len(etag) == 64 and _is_hex(etag):
        digest = hashlib.sha256()
    elif len(etag) == 40 and _is_hex(etag):
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    else:
        return None
    return hash_of(path, digest) == etag


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdef" for c in text)


def _sentence(error: Exception, label: str, file: str) -> UserError:
    """What went wrong with `file` of the hub, in the user's words."""
    global _verdict
    hub = constants.ENDPOINT
    if isinstance(error, UserError):
        return error
    if isinstance(error, Stalled):
        _verdict = Verdict(False, f"{hub} stopped answering")
        return UserError(
            f"the download of {label} got no further ({file} from {hub}) and was given up; try again later"
        )
    if isinstance(error, GatedRepoError):
        return UserError(f"{label} is gated: ask for access on {hub} and sign in with 'hf auth login' ({file})")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(
            f"{label} cannot be downloaded: {hub} has no public repository for {file}; check the name, or sign in with "
            "'hf auth login' if it is private"
        )
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return UserError(
            f"{label} cannot be downloaded: {hub} answers {file} with HTTP status {status}; try again later"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"no space left in {constants.HF_HUB_CACHE} for {label}; free some, or set HF_HOME to another disk"
        )
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(
            f"cannot write {label} to {constants.HF_HUB_CACHE} ({error.strerror}); set HF_HOME to another folder"
        )
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return UserError(f"the download of {label} was incomplete ({file} is not of the announced size); try again")
    return UserError(f"the download of {label} broke off ({file} from {hub}: {_brief(error)}); try again")


def _brief(error: Exception) -> str:
    """The first line of an error's message, cut to a readable length; its type when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
