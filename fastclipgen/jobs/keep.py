"""What was drawn goes into the folder, then into the store, then into the manifest, so that a kill in between loses
nothing: the picture is drawn and written again, the same bytes under the same name. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastclipgen.jobs import claims, manifest
from fastclipgen.jobs.claims import Pack
from fastclipgen.jobs.store import Finished, Store
from fastclipgen.outputs.atomic import replace_file

if TYPE_CHECKING:
    from fastclipgen.jobs.drawn import Drawn

TRIES = 2  # of a pack, and then of each of its items alone


def pictures(folder: Path, store: Store, pack: Pack, worker: str, drawn: Sequence[Drawn]) -> bool:
    """Keep the pictures of a pack; False where it was given to another worker meanwhile. Raises UserError where one
    cannot be written."""
    for one in drawn:
        if one.error is None:
            replace_file(folder / one.file, lambda target, content=one.content: target.write(content))
    finished = [Finished(d.number, d.file or None, d.loss, d.seconds, d.error) for d in drawn]
    if not claims.settle(store, pack, worker, finished):
        return False
    manifest.append(folder, store, [one.number for one in drawn])
    return True


def failed_pack(folder: Path, store: Store, pack: Pack, worker: str, error: str) -> None:
    """A pack could not be drawn: it is tried again, or given up."""
    manifest.append(folder, store, claims.failed(store, pack, worker, error, TRIES))


def failed_group(folder: Path, store: Store, group: int, error: str) -> None:
    """None of a group's items can be drawn."""
    manifest.append(folder, store, store.fail_group(group, error))
