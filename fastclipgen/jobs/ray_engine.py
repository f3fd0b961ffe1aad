"""A batch over a Ray cluster: this process keeps the store and the folder, actors anywhere draw the packs.

Actors get settings, prompts and seeds, and give back the bytes of files, so that they share no disk with this process;
files that settings name (start pictures, weights) must be at the same path on every machine. An actor that dies is
replaced, and its pack is drawn by another one, to the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastclipgen.errors import UserError
from fastclipgen.jobs import claims, keep
from fastclipgen.jobs.claims import Pack, Stored
from fastclipgen.jobs.drawn import Drawn, Opener, draw
from fastclipgen.jobs.painter import Painter
from fastclipgen.jobs.store import Group, Store
from fastclipgen.jobs.worker import signs_of_life
from fastclipgen.jobs.workers import own_name

_WAIT = 1.0  # seconds between looks whether the run is interrupted


class Answer(NamedTuple):
    """What an actor gives back: its drawn pictures, or how a group is divided, or why neither can be."""

    pictures: list[Drawn] | None = None
    divided: tuple[str, int] | None = None
    error: str | None = None
    hopeless: bool = False  # of the whole group


class Hand:
    """Runs in an actor: a painter, kept from pack to pack of one group."""

    def __init__(self, open_group: Opener) -> None:
        self._open, self._painter = open_group, None

    def answer(self, group: Group, items: Sequence[Stored]) -> Answer:
        """Draws the items of a group; says how to divide it where there are none."""
        if self._painter is None or self._painter.group != group.id:
            self._painter = None  # before the next one takes its memory
            try:
                self._painter = self._open(group, None, lambda line: None)
            except UserError as error:
                return Answer(error=str(error), hopeless=True)
        if not items:
            return Answer(divided=(self._painter.decided, self._painter.together))
        pictures = draw(self._painter, items)
        return Answer(error=pictures) if isinstance(pictures, str) else Answer(pictures=pictures)


class Task(NamedTuple):
    """What an actor is busy with; no pack: looking into a group."""

    actor: int
    group: Group
    pack: Pack | None


def draw_with_ray(
    folder: Path,
    address: str | None,
    actors: int,
    settled: Callable[[], object],
    notice: Callable[[str], None],
    interrupted: Callable[[], bool],
    open_group: Opener = Painter,
) -> None:
    """Draw what is left in `folder` with so many actors on the cluster at `address` (None: one of this machine, which
    ends with the batch), each with a GPU to itself where the cluster has any, else with a processor. `settled` is
    called whenever items are. Raises UserError where ray is missing or the cluster cannot be reached."""
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray needs ray: run pip install 'fastclipgen[ray]'") from None
    try:
        # on a cluster of this machine as many as there are actors, or some would wait for a processor
        own = None if address else max(actors, os.cpu_count() or 1)
        ray.init(address=address, num_cpus=own, log_to_driver=False, configure_logging=False, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UserError(f"cannot join the ray cluster at '{address or 'local'}' ({error}); check --address") from None
    store = Store(folder)
    try:
        needs = {"num_gpus": 1} if ray.cluster_resources().get("GPU") else {"num_cpus": 1}
        with signs_of_life(folder, own_name()):
            _Cluster(ray, store, folder, actors, needs, open_group, notice).run(settled, interrupted)
    finally:
        claims.release(store, own_name())
        store.close()
        ray.shutdown()


class _Cluster:
    """The loop of the process that keeps the store."""

    def __init__(
        self,
        ray: Any,
        store: Store,
        folder: Path,
        actors: int,
        needs: dict[str, int],
        open_group: Opener,
        notice: Callable[[str], None],
    ) -> None:
        self.ray, self.store, self.folder, self.notice = ray, store, folder, notice
        self._make = lambda: ray.remote(**needs)(Hand).remote(open_group)
        self.hands = [self._make() for _ in range(actors)]
        self.busy: dict[Any, Task] = {}
        self.looked_into: set[int] = set()

    def run(self, settled: Callable[[], object], interrupted: Callable[[], bool]) -> None:
        while not interrupted():
            for actor in set(range(len(self.hands))) - {task.actor for task in self.busy.values()}:
                self._employ(actor)
            if not self.busy:
                return
            ready, _ = self.ray.wait(list(self.busy), timeout=_WAIT)
            for reference in ready:
                self._take(reference)
            if ready:
                settled()

    def _employ(self, actor: int) -> None:
        """Gives an idle actor a pack, or a group that nobody has looked into."""
        pack = claims.claim(self.store, own_name(), None, keep.TRIES)
        if pack is not None:
            group = self.store.group(pack.group)
        else:
            group = self.store.undivided()
            if group is None or group.id in self.looked_into:
                return
            self.looked_into.add(group.id)
        reference = self.hands[actor].answer.remote(group, pack.items if pack else [])
        self.busy[reference] = Task(actor, group, pack)

    def _take(self, reference: Any) -> None:
        actor, group, pack = self.busy.pop(reference)
        try:
            answer: Answer = self.ray.get(reference)
        except self.ray.exceptions.RayActorError:
            self.notice("an actor died; its pack is drawn by another one")
            self.hands[actor] = self._make()
            self.looked_into.discard(group.id)
            if pack is not None:
                claims.drop(self.store, pack, own_name())
            return
        if answer.hopeless:
            keep.failed_group(self.folder, self.store, group.id, answer.error or "")
            self.notice(f"{len(group.prompts)} pictures cannot be drawn: {answer.error}")
        elif answer.divided is not None:
            self.store.divide(group.id, *answer.divided)
        elif pack is not None and answer.pictures is not None:
            keep.pictures(self.folder, self.store, pack, own_name(), answer.pictures)
        elif pack is not None:
            self.notice(f"a pack of {len(pack.items)} could not be drawn: {answer.error}")
            keep.failed_pack(self.folder, self.store, pack, own_name(), answer.error or "")
