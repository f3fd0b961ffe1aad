"""Random starts worth choosing among, for generators that can draw anything: a figure on a ground.

Ascent on bare pixels settles colours where it began: half of a grey background stays grey. A soft blob of one colour
on another is the coarsest picture that has a background and an object; a guide tells which of thousands is nearest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fastclipgen.generators.base import Generator, Params
from fastclipgen.ops.philox import Stream, uniforms

PREVIEW = 64  # pixels of the longer side, when starts are scored
WAVES = 5  # of an outline: round it once, twice, ...
WAVE = 0.35  # of the radius, at most
APART = 1 / 3  # of the range of a channel


class PaintedStarts(Generator):
    """A generator whose `init` is of no use to choose from, grey or noise; among many starts each is a painted one."""

    varied = False  # figures of many outlines instead of discs

    def init_among_many(self, seeds: Tensor) -> Params:
        return self.init_from(figure_on_ground(seeds, self.height, self.width, self.varied))

    def preview_among_many(self, seeds: Tensor) -> Tensor:
        scale = PREVIEW / max(self.height, self.width)
        height, width = (max(1, round(side * scale)) for side in (self.height, self.width))
        return figure_on_ground(seeds, height, width, self.varied)


def figure_on_ground(seeds: Tensor, height: int, width: int, varied: bool = False) -> Tensor:
    """Pictures float32 [B, 3, height, width] in 0.05..0.95: a disc with a soft edge, near the middle, a third to more
    than half as wide as the shorter side. Colours are uniform. Picture b depends on seeds[b] (int64 [B]) alone and is
    the same scene at every size.

    varied: the outline is one of bumps and notches, and the two colours are never alike. A guide that is asked for a
    shape rates faint discs higher than discs of the right colours, and ascent then loses sight of the figure.
    """
    draws = uniforms(seeds, 0, Stream.INIT, 10 + 2 * WAVES if varied else 9)[:, 0]  # [B, 20] or [B, 9]
    if varied:
        draws = _apart(draws)
    ground, figure = (0.05 + 0.9 * draws[:, k : k + 3, None, None] for k in (0, 3))
    x, y, radius = (draws[:, k, None, None] for k in (6, 7, 8))
    short = min(height, width)
    rows = (torch.arange(height, device=seeds.device) + 0.5 - 0.5 * height)[:, None] / short
    cols = (torch.arange(width, device=seeds.device) + 0.5 - 0.5 * width) / short
    down, right = rows - 0.2 * (y - 0.5), cols - 0.2 * (x - 0.5)
    away = torch.hypot(down, right)  # [B, H, W]
    if varied:
        angle = torch.atan2(*torch.broadcast_tensors(down, right))
        away = away / _outline(draws[:, 10:].unflatten(1, (WAVES, 2)), angle)
    cover = torch.sigmoid((0.17 + 0.13 * radius - away) / 0.02)[:, None]
    return ground + (figure - ground) * cover


def _outline(draws: Tensor, angle: Tensor) -> Tensor:
    """The radius at each `angle` [B, H, W], about 1, of outlines with these waves: [B, WAVES, 2] in 0..1, height and
    phase of each. Heights are squared: few waves are high."""
    radius = torch.ones_like(angle)
    for k in range(WAVES):
        height, phase = (draws[:, k, i, None, None] for i in range(2))
        radius = radius + WAVE * height.square() * torch.cos((k + 1) * (angle + 2 * math.pi * phase))
    return radius.clamp(min=0.2)


def _apart(draws: Tensor) -> Tensor:
    """The draws with one channel of the figure (3..5), which draw 9 chooses, turned round the circle 0..1 until it is
    APART or more from that of the ground (0..2). It stays uniform."""
    channel = (draws[:, 9:10] * 3).long()  # [B, 1]
    ground = draws.gather(1, channel)
    turned = (ground + APART + (1 - 2 * APART) * draws.gather(1, 3 + channel)) % 1
    return draws.scatter(1, 3 + channel, turned)
