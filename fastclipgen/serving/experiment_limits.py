"""What an experiment may ask for. As limits.py for settings; sizes are known only from what its expressions give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from fastclipgen.errors import UserError
from fastclipgen.experiments.experiment import Experiment, Item
from fastclipgen.experiments.planning import most_frames
from fastclipgen.experiments.timetable import TimedTarget, Timetable
from fastclipgen.serving.limits import Limits, numbers_of

_SIZES = ("resize", "center_crop", "random_crop")


def check(experiment: Experiment, limits: Limits) -> None:
    """Raises UserError naming the first thing that is more than this server gives."""
    _at_most(_counts(experiment, limits))
    seeds = torch.arange(experiment.batch, dtype=torch.int64) + (experiment.seed or 0)
    timetable = Timetable(experiment, seeds, "cpu")
    _at_most(_sizes(experiment, timetable, limits))


def _at_most(asked: Iterator[tuple[str, float, int]]) -> None:
    for name, value, most in asked:
        if value > most:
            raise UserError(f"expected at most {most} for {name} on this server, got {value:g}; ask for less")


def _counts(experiment: Experiment, limits: Limits) -> Iterator[tuple[str, float, int]]:
    texts = [text for target in experiment.targets for feature in target.features for text in feature.texts]
    yield "epochs", experiment.epochs, limits.steps
    yield "batch", experiment.batch, limits.pictures
    yield "starts", experiment.starts, limits.starts
    yield "model", len(experiment.models), limits.clips
    yield "letters in texts", sum(map(len, texts)), limits.text
    for columns in [experiment.init.resolution or (1, 1)]:
        yield "init.resolution", max(columns), limits.side
        yield "init.resolution, width x height", columns[0] * columns[1], limits.pixels
    for name, value in numbers_of(experiment.settings.get("generator_options") or {}):
        yield f"generator_options.{name}", value, limits.option
    yield "latent_dim", experiment.settings.get("latent_dim") or 0, 64 * limits.option


def _sizes(experiment: Experiment, timetable: Timetable, limits: Limits) -> Iterator[tuple[str, float, int]]:
    epochs = {phase.shape: phase.first for phase in timetable.phases()}.values()
    for epoch in epochs:
        height, width = timetable.size(epoch)
        yield "resolution", max(height, width), limits.side
        yield "resolution, width x height", height * width, limits.pixels
    yield "frames of an epoch", most_frames(timetable), limits.views
    for epoch in epochs:
        for target in timetable.targets:
            frames = target.frames(epoch, experiment.compat) * experiment.batch
            pixels = frames * _largest(target, epoch, *timetable.size(epoch))
            yield f"the pixels of all frames of {target.target.path}", pixels, limits.frame_pixels


def _largest(target: TimedTarget, epoch: int, height: int, width: int) -> float:
    """The most pixels that a frame has between its transforms; what crops a frame counts as if it did not."""
    most = float(height * width)
    for link in target.links:
        if link.switch.on(epoch) and isinstance(link.item, Item):
            plain = link.bound.at(epoch).plain
            width, height = _grown(link.item.kind.name, plain, width, height)
            coarse = plain.get("resolution", (1, 1))  # of noise that is made small or large, and then resized
            most = max(most, width * height, max(1, coarse[0]) * max(1, coarse[1]))
    return most


def _grown(name: str, plain: Any, width: int, height: int) -> tuple[int, int]:
    if name in _SIZES:
        return max(1, int(plain["size"][0])), max(1, int(plain["size"][1]))
    if name == "pad":
        return width + 2 * max(0, int(plain["size"][0])), height + 2 * max(0, int(plain["size"][1]))
    if name == "repeat":
        return width * max(1, int(plain["count"][0])), height * max(1, int(plain["count"][1]))
    return width, height
