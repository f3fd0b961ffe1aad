"""Random starts worth choosing among, for generators that can draw anything: a figure on a ground.

Ascent on bare pixels settles colours where it began: half of a grey background stays grey. A soft blob of one colour
on another is the coarsest picture that has a background and an object; a guide tells which of thousands is nearest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.generators.base import Generator, Params
from fastclipgen.ops.philox import Stream, uniforms

PREVIEW = 64  # pixels of the longer side, when starts are scored


class PaintedStarts(Generator):
    """A generator whose `init` is of no use to choose from, grey or noise; among many starts each is a painted one."""

    def init_among_many(self, seeds: Tensor) -> Params:
        return self.init_from(figure_on_ground(seeds, self.height, self.width))

    def preview_among_many(self, seeds: Tensor) -> Tensor:
        scale = PREVIEW / max(self.height, self.width)
        return figure_on_ground(seeds, max(1, round(self.height * scale)), max(1, round(self.width * scale)))


def figure_on_ground(seeds: Tensor, height: int, width: int) -> Tensor:
    """Pictures float32 [B, 3, height, width] in 0.05..0.95: a disc with a soft edge, near the middle, a third to more
    than half as wide as the shorter side. Colours are uniform. Picture b depends on seeds[b] (int64 [B]) alone and is
    the same scene at every size."""
    draws = uniforms(seeds, 0, Stream.INIT, 9)[:, 0]  # [B, 9]
    ground, figure = (0.05 + 0.9 * draws[:, k : k + 3, None, None] for k in (0, 3))
    x, y, radius = (draws[:, k, None, None] for k in (6, 7, 8))
    short = min(height, width)
    rows = (torch.arange(height, device=seeds.device) + 0.5 - 0.5 * height)[:, None] / short
    cols = (torch.arange(width, device=seeds.device) + 0.5 - 0.5 * width) / short
    away = torch.hypot(rows - 0.2 * (y - 0.5), cols - 0.2 * (x - 0.5))  # [B, H, W]
    cover = torch.sigmoid((0.17 + 0.13 * radius - away) / 0.02)[:, None]
    return ground + (figure - ground) * cover
