"""What the pictures of an experiment begin with: noise, images, the generator's own; the best of many if so asked."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastclipgen.engine.recipe import Task
from fastclipgen.experiments.drawing import scaled
from fastclipgen.experiments.experiment import DISC, NOISE, Experiment, Init
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.painted_starts import figure_on_ground
from fastclipgen.ops.philox import Stream, normals, words
from fastclipgen.outputs.load import fit, load_image

SPREAD = 0.9 / 12**0.5  # standard deviation of the colours of figures
AT_ONCE = 1 << 22  # pixels of the starts that are rated together

Rate = Callable[[Tensor, Task], Tensor]
"""Pictures [n, 3, H, W] and the task of as many rows -> their losses [n]."""


class Starts:
    """Makes starts for a generator that an experiment begins with."""

    def __init__(self, experiment: Experiment, generator: Generator, notice: Callable[[str], None]) -> None:
        self._init, self._generator, self._notice = experiment.init, generator, notice
        self._many = experiment.starts
        self._encoded = experiment.generator == "pixels" or experiment.init.given

    @torch.no_grad()
    def pictures(self, seeds: Tensor, fixed: Params | None) -> Tensor:
        """Those that the seeds, int64 [B], stand for: [B, 3, H, W] in 0..1. fixed: as of the task."""
        generator = self._generator
        if self._encoded:
            return beginning(self._init, seeds, generator.height, generator.width, self._notice)
        return generator((fixed or {}) | self._own(seeds))

    def params(self, seeds: Tensor, pictures: Tensor) -> Params:
        """The parameters that draw `pictures(seeds)`, or what comes nearest."""
        return self._generator.init_from(pictures) if self._encoded else self._own(seeds)

    def chosen(self, task: Task, rate: Rate) -> Tensor:
        """The seeds int64 [B] of the best of the starts of each picture, of which one has the picture's own seed.

        They are rated picture after picture, so that a picture's choice does not depend on its batch.
        """
        if self._many == 1:
            return task.seeds
        together, found = max(1, AT_ONCE // (self._generator.height * self._generator.width)), []
        for row, seed in enumerate(task.seeds.split(1)):
            seeds = torch.cat([seed, words(seed, 0, Stream.STARTS, self._many)[0, 0, 1:]])
            losses = []
            for part in seeds.split(together):
                rows = task.rows(torch.full_like(part, row))
                losses.append(rate(self.pictures(part, rows.fixed), rows))
            found.append(seeds[torch.cat(losses).nan_to_num(torch.inf).argmin()])
        return torch.stack(found)

    def _own(self, seeds: Tensor) -> Params:
        return self._generator.init(seeds) if self._many == 1 else self._generator.init_among_many(seeds)


def beginning(init: Init, seeds: Tensor, height: int, width: int, notice: Callable[[str], None]) -> Tensor:
    """The pictures [B, 3, height, width] that a run begins with, on the device of `seeds` int64 [B].

    Noise of each picture's own, a figure on a ground in colours that are spread as far, or the image, times `std`, plus
    `mean`, made at `init.resolution`, resized and clamped to 0..1; an image_tensor is only resized. Raises UserError
    for an image that cannot be read.
    """
    columns, rows = init.resolution or (width, height)
    mean, std = (torch.tensor(three, device=seeds.device).view(3, 1, 1) for three in (init.mean, init.std))
    if init.image_tensor is not None:
        given = torch.as_tensor(init.image_tensor, dtype=torch.float32, device=seeds.device)
        return scaled(given.expand(len(seeds), -1, -1, -1), height, width, "cubic").contiguous()
    if init.image is not None:
        image = fit(load_image(init.image, notice=notice), rows, columns).to(seeds.device)
        pictures = (image * std + mean).expand(len(seeds), -1, -1, -1)
    elif init.pattern == NOISE:
        noise = normals(seeds, 0, Stream.INIT, 3 * rows * columns).view(-1, 3, rows, columns)
        pictures = noise * std + mean
    else:
        figures = figure_on_ground(seeds, rows, columns, varied=init.pattern != DISC)
        pictures = (figures - 0.5) / SPREAD * std + mean
    return scaled(pictures, height, width, "cubic").clamp(0.0, 1.0).contiguous()
