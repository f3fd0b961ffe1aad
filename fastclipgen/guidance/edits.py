"""Edits: what is done to pictures, as pictures, between the steps of a run. An overlay is laid over them, or they are
zoomed, turned and shifted.

VQGAN+CLIP programs do both: overlays are those of clipit and pixray, the zoom is nerdyrodent's. Knows nothing of how
pictures become parameters again (engine/editing.py) or of files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Edit:
    """`change` maps pictures [B, 3, H, W] in 0..1 to others, row by row. It happens before every step (they count from
    0) with step % every == offset and first <= step < until (None: to the end). moves: things are elsewhere afterwards,
    so that what is known of single places (an optimiser's averages, the start that pulls hold to) is no longer true."""

    change: Callable[[Tensor], Tensor]
    every: int
    offset: int = 0
    first: int = 0
    until: int | None = None
    moves: bool = False

    def due(self, step: int) -> bool:
        """Whether it happens before this step."""
        return step % self.every == self.offset and step >= self.first and (self.until is None or step < self.until)


class Overlay:
    """Lays a picture over others: `opacity` [1, H, W] in 0..1 is how much it hides of them, and `light` [3, H, W] what
    is seen instead, its colours times its opacity."""

    def __init__(self, light: Tensor, opacity: Tensor) -> None:
        self._light, self._clear = light, 1 - opacity

    def __call__(self, images: Tensor) -> Tensor:
        return (images * self._clear + self._light).clamp(0.0, 1.0)


class Zoom:
    """Zooms about the centre (`scale` above 1: in), turns by `degrees` against the clock, then shifts by `shift` =
    (x, y) whole pixels to the right and down, where what leaves the picture comes in on the other side.

    What comes into sight when zooming out or turning is the picture mirrored at its edges. Bicubic; pictures to be
    shrunk to two thirds or less are sampled more densely and averaged. A shift alone moves pixels as they are.
    """

    def __init__(
        self,
        height: int,
        width: int,
        scale: float = 1.0,
        degrees: float = 0.0,
        shift: tuple[int, int] = (0, 0),
        device: torch.device | str = "cpu",
    ) -> None:
        self._shift, self._density, self._grid = shift, max(1, round(1 / scale)), None
        if (scale, degrees) != (1.0, 0.0):
            size = [1, 1, self._density * height, self._density * width]
            places = F.affine_grid(_places(scale, degrees, width / height), size, align_corners=False)
            self._grid = places.to(device, torch.float32)  # [1, h, w, 2]: where each new pixel was

    def __call__(self, images: Tensor) -> Tensor:
        if self._grid is not None:
            grid = self._grid.to(images.dtype).expand(len(images), -1, -1, -1)
            images = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
            if self._density > 1:
                images = F.avg_pool2d(images, self._density)
            images = images.clamp(0.0, 1.0)  # cubic curves overshoot
        x, y = self._shift
        return images.roll((y, x), dims=(-2, -1))


def _places(scale: float, degrees: float, aspect: float) -> Tensor:
    """The matrix [1, 2, 3] (float64) from places in the new picture to those in the old one, both in the coordinates
    of `affine_grid`, where either side goes from -1 to 1; aspect: width / height."""
    cos, sin = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    return torch.tensor([[[cos, -sin / aspect, 0.0], [sin * aspect, cos, 0.0]]], dtype=torch.float64)
