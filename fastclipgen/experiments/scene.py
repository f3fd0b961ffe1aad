"""The loss of an experiment at the epochs of one shape: frames of every open target, seen by every model.

All frames of all targets go through a model together. A pure function of tensors (`engine.recipe.Objective`): what
changes with the epoch it finds in the task's tables. Made by `staging.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.engine.recipe import Task
from fastclipgen.engine.sight import GREY
from fastclipgen.experiments.bound import Settled
from fastclipgen.experiments.tables import Column, LiveColumn, Now, now
from fastclipgen.guidance.features import FeatureLoss, mean_similarity, similarity, target_loss
from fastclipgen.guidance.frame_constraints.base import FrameConstraint, Manner
from fastclipgen.guidance.transforms.base import Draws, Transform
from fastclipgen.guidance.transforms.chain import Link, run_chain
from fastclipgen.perceptors.base import FrozenPerceptor


class Eye(NamedTuple):
    """A model and its weight in the loss."""

    perceptor: FrozenPerceptor
    weight: float


class ShotLink(NamedTuple):
    """A transform that applies at some epochs of the shape; switch: None for all of them."""

    transform: Transform
    settled: Settled
    place: int
    switch: Column | None


class ShotConstraint(NamedTuple):
    constraint: FrameConstraint
    settled: Settled
    weight: Column | LiveColumn
    manner: Manner
    path: str
    place: int
    switch: Column | None


@dataclass(frozen=True, eq=False)
class Shot:
    """A target at the epochs of one shape. number: of the target, by which the task's tables know its features; switch:
    None where it is open for every picture; mask: [1, 1, h, w], 1 where it looks, or None."""

    number: int
    frames: int
    links: tuple[ShotLink, ...]
    constraints: tuple[ShotConstraint, ...]
    weights: tuple[Column | LiveColumn, ...]  # of the features, as the next three
    scales: tuple[Column | LiveColumn, ...]
    switches: tuple[Column, ...]
    kinds: tuple[str, ...]
    select: str
    weight: Column | LiveColumn
    switch: Column | None
    mask: Tensor | None


class Seen(NamedTuple):
    """What a target came to. embeddings [B, N, E], features: of each model; held: of each constraint, weighted, [B, N];
    loss: [B, N]. Without features the first two are empty."""

    embeddings: list[Tensor]
    features: list[FeatureLoss]
    held: list[Tensor]
    loss: Tensor


def features_of(number: int, eye: int) -> str:
    """The table with the features of a target as a model sees them, [B, F, E]."""
    return f"features{number}.{eye}"


def auto_scale_of(number: int, eye: int) -> str:
    """The table with their fair scales, [B, F]."""
    return f"scale{number}.{eye}"


@dataclass(frozen=True, eq=False)
class Scene:
    """The open targets under the models."""

    eyes: tuple[Eye, ...]
    shots: tuple[Shot, ...]
    deterministic: bool = False

    def __call__(self, images: Tensor, task: Task, step: int | Tensor) -> Tensor:
        """The loss [B]: the sum over targets and frames."""
        loss = images.new_zeros(len(images))
        for seen in self.look(images, task, step):
            loss = loss + seen.loss.sum(1)
        return loss

    def score(self, images: Tensor, task: Task, step: int | Tensor) -> tuple[Tensor, list[Tensor]]:
        """The loss [B] of the pictures seen whole, without transforms, by the targets that are open, and for each model
        the cosines [B, F] with all of their features."""
        found = self.look(images, task, step, plain=True)
        loss = images.new_zeros(len(images))
        for seen in found:
            loss = loss + seen.loss.sum(1)
        cosines = [[images.new_zeros(len(images), 0)] for _ in self.eyes]
        for shot, seen in zip(self.shots, found, strict=True):
            for eye, embeddings in enumerate(seen.embeddings):
                wanted = (task.tables or {})[features_of(shot.number, eye)]
                cosines[eye].append(similarity(embeddings, wanted)[:, 0] / 100)
        return loss, [torch.cat(parts, 1) for parts in cosines]

    def look(self, images: Tensor, task: Task, step: int | Tensor, plain: bool = False) -> list[Seen]:
        """What every target sees of pictures [B, 3, H, W]. plain: of each one frame, without transforms."""
        at = now(task, step)
        sizes = {eye.perceptor.image_size for eye in self.eyes}
        frames = {
            size: [self._frames(shot, images, task, at, step, size, plain) for shot in self.shots] for size in sizes
        }
        embeddings = [self._embeddings(eye, frames[eye.perceptor.image_size]) for eye in self.eyes]
        own = frames[self.eyes[0].perceptor.image_size]
        return [
            self._seen(shot, own[k], [seen[k] for seen in embeddings], task, at, step)
            for k, shot in enumerate(self.shots)
        ]

    def views(self, images: Tensor, task: Task, step: int | Tensor) -> Tensor:
        """The frames of all targets that the first model sees, [B, N, 3, S, S] in 0..1."""
        size, at = self.eyes[0].perceptor.image_size, now(task, step)
        frames = [self._frames(shot, images, task, at, step, size, False) for shot in self.shots]
        return torch.cat([images.new_zeros(len(images), 0, 3, size, size), *frames], 1)

    def _frames(
        self, shot: Shot, images: Tensor, task: Task, at: Now, step: int | Tensor, size: int, plain: bool
    ) -> Tensor:
        """[B, N, 3, size, size] in 0..1."""
        if shot.mask is not None:
            images = images * shot.mask + GREY * (1 - shot.mask)
        links = [
            Link(
                link.transform,
                link.settled.of_pictures(at),
                Draws(task.seeds, step, shot.frames, link.place),
                None if link.switch is None else link.switch.flag(at),
            )
            for link in (() if plain else shot.links)
        ]
        return run_chain(images, links, size, self.deterministic)

    def _embeddings(self, eye: Eye, frames: Sequence[Tensor]) -> list[Tensor | None]:
        """[B, N, E] of each target; None for those without features."""
        seeing = [k for k, shot in enumerate(self.shots) if shot.kinds]
        found: list[Tensor | None] = [None] * len(self.shots)
        if not seeing:
            return found
        views = torch.cat([frames[k].flatten(0, 1) for k in seeing])
        # filled in, since a copy from the host cannot be recorded: [3, 1, 1]
        mean, std = (
            torch.stack([views.new_full((1, 1), value) for value in three])
            for three in (eye.perceptor.mean, eye.perceptor.std)
        )
        seen = eye.perceptor.encode_image(((views - mean) / std).to(eye.perceptor.dtype))
        first = 0
        for k in seeing:
            batch, count = frames[k].shape[:2]
            found[k] = seen[first : first + batch * count].unflatten(0, (batch, count))
            first += batch * count
        return found

    def _seen(
        self, shot: Shot, frames: Tensor, embeddings: Sequence[Tensor | None], task: Task, at: Now, step: int | Tensor
    ) -> Seen:
        loss = frames.new_zeros(frames.shape[:2])
        similar, found = torch.zeros_like(loss), []
        shown = [seen for seen in embeddings if seen is not None]
        for k, seen in enumerate(shown):
            one = self._features(shot, k, seen, at)
            found.append(one)
            loss = loss + self.eyes[k].weight * one.loss
            similar = similar + mean_similarity(one.similarities) / len(self.eyes)
        held = [self._held(constraint, frames, similar, task, at, step) for constraint in shot.constraints]
        for one in held:
            loss = loss + one
        loss = loss * _of_frames(shot.weight, at, similar)
        if shot.switch is not None:
            loss = torch.where(shot.switch.flag(at)[:, None], loss, 0.0)
        return Seen(shown, found, held, loss)

    def _features(self, shot: Shot, eye: int, seen: Tensor, at: Now) -> FeatureLoss:
        features, auto = at.tables[features_of(shot.number, eye)], at.tables[auto_scale_of(shot.number, eye)]
        live = any(isinstance(column, LiveColumn) for column in (*shot.weights, *shot.scales))
        raw = similarity(seen, features) if live else seen.new_zeros(*seen.shape[:2], len(shot.kinds))
        scales = torch.stack([_of_frames(c, at, raw[..., f]) for f, c in enumerate(shot.scales)], -1)  # [B, 1 or N, F]
        raw = raw * auto[:, None] * scales
        weights = torch.stack([_of_frames(c, at, raw[..., f]) for f, c in enumerate(shot.weights)], -1)
        active = torch.stack([switch.flag(at) for switch in shot.switches], -1)  # [B, F]
        return target_loss(seen, features, weights, scales, auto, shot.kinds, active, shot.select)

    def _held(
        self, held: ShotConstraint, frames: Tensor, similar: Tensor, task: Task, at: Now, step: int | Tensor
    ) -> Tensor:
        draws = Draws(task.seeds, step, frames.shape[1], held.place)
        value = held.constraint.value(frames, held.settled.of_frames(at, similar), held.manner, draws)
        value = value * _of_frames(held.weight, at, similar)
        return value if held.switch is None else torch.where(held.switch.flag(at)[:, None], value, 0.0)


def _of_frames(column: Column | LiveColumn, at: Now, similar: Tensor) -> Tensor:
    """A single value for each frame, [B, N]."""
    if isinstance(column, LiveColumn):
        return column.read(at, similar)
    return column.read(at)[:, None].expand_as(similar)
