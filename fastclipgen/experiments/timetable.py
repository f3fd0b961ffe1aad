"""What a run does at which epoch: sizes, rates, which targets are open, and every value in one sheet.

Made once for the pictures of a batch. `shape(epoch)` is what another program is needed for where it differs; epochs of
one shape that follow each other are a phase. Knows no pictures and no models.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.config.run import MAX_SIDE
from fastclipgen.errors import UserError
from fastclipgen.experiments.bound import Bound
from fastclipgen.experiments.experiment import Experiment, Feature, Held, Item, Target
from fastclipgen.experiments.rates import base_rate
from fastclipgen.experiments.tables import Column, LiveColumn, Sheet
from fastclipgen.recipes.frame_time import FrameTime, active
from fastclipgen.recipes.variables import Schedule

UNFLAGGED = frozenset({"random_crop", "random_scale", "random_translate", "random_shift"})
"""Random transforms for which CLIPig draws one frame whatever `batch_size` says."""


class Switch(NamedTuple):
    """When something is on: bool [epochs, 1 or B], and the column where the step finds it."""

    table: Tensor
    column: Column

    def on(self, epoch: int) -> bool:
        """For any picture of the batch."""
        return bool(self.table[epoch].any())

    def among(self, epochs: Sequence[int]) -> Column | bool:
        """Whether it is on at all of these epochs or at none, else where that stands."""
        part = self.table[list(epochs)]
        return True if bool(part.all()) else self.column if bool(part.any()) else False


class Timed(NamedTuple):
    """A transform, an item of the post-processing or a constraint over the run. place: keys its random numbers."""

    item: Item | Held
    bound: Bound
    switch: Switch
    place: int
    weight: Column | LiveColumn | None = None


class TimedFeature(NamedTuple):
    feature: Feature
    weight: Column | LiveColumn
    scale: Column | LiveColumn
    switch: Switch


class TimedTarget(NamedTuple):
    target: Target
    switch: Switch
    weight: Column | LiveColumn
    features: tuple[TimedFeature, ...]
    links: tuple[Timed, ...]
    constraints: tuple[Timed, ...]

    def frames(self, epoch: int, compat: bool) -> int:
        """How many frames of each picture it sees."""
        random = (
            link.item.kind.random and not (compat and link.item.kind.name in UNFLAGGED)  # type: ignore[union-attr]
            for link in self.links
            if link.switch.on(epoch)
        )
        return self.target.batch_size if any(random) else 1


class Phase(NamedTuple):
    """Epochs first..end-1, all of one shape."""

    first: int
    end: int
    shape: Hashable


class Timetable:
    """The run of pictures with these seeds, int64 [B] on the CPU. Raises UserError for values that are not finite, and
    for sizes out of range."""

    def __init__(self, experiment: Experiment, seeds: Tensor, device: torch.device | str) -> None:
        self.experiment, self.seeds = experiment, seeds
        time = Schedule(experiment.epochs, seeds)
        self._sizes = experiment.resolution.over(time)  # [epochs, 1 or B, 2], width and height
        self._check_sizes()
        self.interpolations = experiment.interpolation.texts(time)
        place = time.with_resolution(self._sizes[..., 0], self._sizes[..., 1])
        scale = experiment.learnrate_scale.over(place)
        rates = base_rate(experiment.optimizer) * experiment.learnrate.over(place) * scale  # [epochs, 1 or B]
        self.rates = rates.float() if rates.shape[1] > 1 else rates[:, 0].float()
        self.schedule = place.with_learnrate(*torch.broadcast_tensors(rates, scale))
        self.sheet = Sheet(self.schedule, device)
        self.targets = tuple(self._target(target) for target in experiment.targets if target.active)
        self.postproc = self._items(experiment.postproc)
        self._shapes: dict[int, Hashable] = {}

    def size(self, epoch: int) -> tuple[int, int]:
        """Height and width."""
        width, height = self._sizes[epoch, 0].tolist()
        return int(height), int(width)

    @property
    def largest(self) -> tuple[int, int]:
        """The height and width of the epoch with the most pixels."""
        return self.size(int(self._sizes[:, 0].prod(-1).argmax()))

    @property
    def alike(self) -> bool:
        """Whether all pictures of the batch have the same sizes at every epoch, so that they can be drawn together."""
        every = [*self.postproc, *(item for t in self.targets for item in (*t.links, *t.constraints))]
        sizers = [link.switch.table for t in self.targets for link in t.links if _resizes(link)]
        tables = [self._sizes, *sizers]
        same = all(bool((table == table[:, :1]).all()) for table in tables)
        return same and all(timed.bound.alike for timed in every)

    def shape(self, epoch: int) -> Hashable:
        """Whatever decides the sizes of tensors, and which targets are open."""
        if epoch not in self._shapes:
            self._shapes[epoch] = self._shape(epoch)
        return self._shapes[epoch]

    def _shape(self, epoch: int) -> Hashable:
        targets = []
        for target in self.targets:
            if not target.switch.on(epoch):
                targets.append(None)
                continue
            links = tuple(
                link.bound.shape(epoch) if link.switch.on(epoch) or not _resizes(link) else None
                for link in target.links
            )
            constraints = tuple(one.bound.shape(epoch) for one in target.constraints)
            targets.append((target.frames(epoch, self.experiment.compat), links, constraints))
        return self.size(epoch), tuple(targets), tuple(one.bound.shape(epoch) for one in self.postproc)

    def phases(self, first: int = 0) -> list[Phase]:
        """The run from an epoch on, cut where shapes change."""
        found: list[Phase] = []
        for epoch in range(first, self.experiment.epochs):
            shape = self.shape(epoch)
            if found and found[-1].shape == shape:
                found[-1] = found[-1]._replace(end=epoch + 1)
            else:
                found.append(Phase(epoch, epoch + 1, shape))
        return found

    def _check_sizes(self) -> None:
        wrong = (self._sizes < 1) | (self._sizes > MAX_SIDE)
        if bool(wrong.any()):
            epoch = int(wrong.flatten(1).any(1).float().argmax())
            width, height = self._sizes[epoch, 0].tolist()
            raise UserError(
                f"resolution: expected sides of 1 to {MAX_SIDE} pixels, got {width:g} x {height:g} at epoch {epoch}; "
                "correct the expression, for example by max(8, ...)"
            )

    def _switch(self, start: FrameTime, end: FrameTime) -> Switch:
        table = active(start, end, self.schedule)
        return Switch(table, self.sheet.put_table(table))

    def _bound(self, item: Item | Held) -> Bound:
        return Bound(item.kind.options, item.values, self.sheet, item.where, self.experiment.compat)

    def _items(self, items: Sequence[Item]) -> tuple[Timed, ...]:
        return tuple(
            Timed(item, self._bound(item), self._switch(item.start, item.end), _place(item.path))
            for item in items
            if item.active
        )

    def _held(self, held: Held) -> Timed:
        weight = self.sheet.put_any(held.weight)
        return Timed(held, self._bound(held), self._switch(held.start, held.end), _place(held.path), weight)

    def _target(self, target: Target) -> TimedTarget:
        put = self.sheet.put_any
        features = (
            TimedFeature(one, put(one.weight), put(one.scale), self._switch(one.start, one.end))
            for one in target.features
        )
        return TimedTarget(
            target,
            self._switch(target.start, target.end),
            put(target.weight),
            tuple(features),
            self._items(target.transforms),
            tuple(self._held(held) for held in target.constraints),
        )


def _resizes(link: Timed) -> bool:
    return getattr(link.item.kind, "resizes", False)


def _place(path: str) -> int:
    return zlib.crc32(path.encode()) & 0x7FFFFFFF
