"""Affine maps of places, for all frames of all pictures at once: where in what is given a pixel of the result lies.

Places are continuous pixel coordinates (0..W, 0..H; a pixel's centre is its index plus one half). All arithmetic is
elementwise, so a picture's places are the same bits alone and in a batch. Knows no pictures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

Plane = Tensor | float
"""One number for every frame, float32 [B or 1, N or 1], or one of the host for all of them."""


class Places(NamedTuple):
    """(x, y) of the result lies at (xx * x + xy * y + x0, yx * x + yy * y + y0) in what is given."""

    xx: Plane
    xy: Plane
    x0: Plane
    yx: Plane
    yy: Plane
    y0: Plane

    def then(self, later: Places) -> Places:
        """The places in what this one is given, of pixels of the result of `later`, which reads this one's result."""
        return Places(
            self.xx * later.xx + self.xy * later.yx,
            self.xx * later.xy + self.xy * later.yy,
            self.xx * later.x0 + self.xy * later.y0 + self.x0,
            self.yx * later.xx + self.yy * later.yx,
            self.yx * later.xy + self.yy * later.yy,
            self.yx * later.x0 + self.yy * later.y0 + self.y0,
        )

    def where(self, active: Tensor) -> Places:
        """These places where `active`, bool [B or 1], says so, and else those of a frame that stays as it is."""
        return Places(*(torch.where(active[:, None], own, same) for own, same in zip(self, STILL, strict=True)))

    def at(self, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """x and y of every pixel of a result of this size: float32, each broadcasts to [B, N, height, width]."""
        x = (torch.arange(width, device=device) + 0.5)[None, None, None]
        y = (torch.arange(height, device=device) + 0.5)[None, None, :, None]
        xx, xy, x0, yx, yy, y0 = (_lifted(plane) for plane in self)
        return xx * x + xy * y + x0, yx * x + yy * y + y0

    def footprint(self) -> Tensor | float:
        """How many pixels of what is given one of the result is wide: the root of its area, 1 or more."""
        area = self.xx * self.yy - self.xy * self.yx
        return area.abs().sqrt().clamp_min(1.0) if isinstance(area, Tensor) else max(1.0, math.sqrt(abs(area)))

    def matrix(self, batch: int, frames: int, device: torch.device) -> Tensor:
        """float32 [batch, frames, 3, 3], for homogeneous coordinates."""
        planes = [
            (plane if isinstance(plane, Tensor) else torch.full((1, 1), plane, device=device)).expand(batch, frames)
            for plane in (*self, 0.0, 0.0, 1.0)
        ]
        return torch.stack(planes, dim=-1).unflatten(-1, (3, 3))

    @property
    def frames(self) -> int:
        """N of the planes: 1 where all frames are read alike."""
        return max((plane.shape[1] for plane in self if isinstance(plane, Tensor)), default=1)


STILL = Places(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def moved(x: Plane, y: Plane) -> Places:
    """A result whose pixel (0, 0) lies at (x, y)."""
    return STILL._replace(x0=x, y0=y)


def about(x: Plane, y: Plane, xx: Plane, xy: Plane, yx: Plane, yy: Plane) -> Places:
    """The linear map about a centre (x, y) that stays where it is."""
    return Places(xx, xy, x - xx * x - xy * y, yx, yy, y - yx * x - yy * y)


def _lifted(plane: Plane) -> Plane:
    return plane[:, :, None, None] if isinstance(plane, Tensor) else plane
