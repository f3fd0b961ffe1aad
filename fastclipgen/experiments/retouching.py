"""Post-processing: transforms of the picture itself, before each step (`engine.recipe.Retouch`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastclipgen.engine.recipe import Task
from fastclipgen.experiments.scene import ShotLink
from fastclipgen.experiments.tables import now
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.pixels import Pixels
from fastclipgen.guidance.transforms.base import Draws


@dataclass(frozen=True, eq=False)
class Retouching:
    """Items in their order. Pixels are changed as they are, beyond 0..1 too; what another generator draws is changed as
    a picture and encoded again."""

    generator: Generator
    links: tuple[ShotLink, ...]

    def __call__(self, params: Params, task: Task, step: int | Tensor) -> Params:
        if isinstance(self.generator, Pixels):
            return {**params, "rgb": self._changed(params["rgb"], task, step)}
        images = self.generator(params if task.fixed is None else task.fixed | params)
        return {**params, **self.generator.init_from(self._changed(images, task, step).clamp(0, 1).contiguous())}

    def _changed(self, images: Tensor, task: Task, step: int | Tensor) -> Tensor:
        at, frames = now(task, step), images[:, None]  # [B, 1, 3, H, W]
        for link in self.links:
            draws = Draws(task.seeds, step, 1, link.place)
            changed = link.transform.apply(frames, link.settled.of_pictures(at), draws)
            if link.switch is not None:
                changed = torch.where(link.switch.flag(at)[:, None, None, None, None], changed, frames)
            frames = changed
        return frames[:, 0]
