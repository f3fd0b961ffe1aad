"""R-B's views: nerdyrodent's VQGAN-CLIP, cut method "latest", as it ran on kornia 0.5.4.

The picture is pooled anew for every view, then one batch goes through a chain of stages: affine, perspective, colour
jitter, erasing, noise. Each stage draws its numbers on the CPU, throws a coin for every view, takes the chosen views
out of the batch and writes the changed ones back. Written from a description of the method; kornia is not needed. One
thing is left out: its warps also scaled by W / (W - 1), less than half a pixel, having built their grid between corner
pixels and sampled between corners.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.ops.cutout_spec import CutoutSpec

from .loop_rb_colour import brighten, contrast, saturate, turn

_FULL_TURN = 2 * math.pi


class ChainViews:
    """Draws views of `size` pixels; the ranges are those of `spec`."""

    def __init__(self, spec: CutoutSpec, size: int, seed: int, device: torch.device) -> None:
        self.spec, self.size, self.device = spec, size, device
        self.draws = torch.Generator().manual_seed(seed)  # on the CPU, as kornia's
        self.noise = torch.Generator(device).manual_seed(seed)

    def draw(self, image: Tensor, count: int) -> Tensor:
        """`count` views [N, 3, S, S] of a picture [1, 3, H, W]; noise takes them beyond 0..1, nothing is clamped."""
        spec, size = self.spec, self.size
        pooled = [(F.adaptive_avg_pool2d(image, size) + F.adaptive_max_pool2d(image, size)) / 2 for _ in range(count)]
        views = torch.cat(pooled)
        views = self._some(views, spec.affine_probability, self._affine)
        views = self._some(views, spec.perspective_probability, self._perspective)
        views = self._some(views, spec.colour_probability, self._colour)
        if self._uniform(1).item() < spec.erase_probability:
            views = self._erase(views)
        low, high = spec.noise_scale
        scales = torch.rand(count, 1, 1, 1, generator=self.noise, device=self.device) * (high - low) + low
        return views + scales * torch.randn(views.shape, generator=self.noise, device=self.device)

    def _some(self, views: Tensor, probability: float, stage: Callable[[Tensor], Tensor]) -> Tensor:
        """A coin for every view: those chosen go through the stage."""
        chosen = torch.bernoulli(torch.full((len(views),), probability), generator=self.draws).bool()
        if not chosen.any():
            return views
        if chosen.all():
            return stage(views)
        out = views.clone()
        out[chosen] = stage(views[chosen])
        return out

    def _uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(count, generator=self.draws) * (high - low) + low

    def _affine(self, views: Tensor) -> Tensor:
        """Shear along x, then rotation, about the centre, then a shift."""
        spec, n = self.spec, len(views)
        angle = torch.deg2rad(self._uniform(n, -spec.rotation, spec.rotation))
        shear = torch.tan(torch.deg2rad(self._uniform(n, -spec.shear, spec.shear)))
        shift = [self._uniform(n, -part, part) * self.size for part in spec.translate]
        matrix = torch.eye(3).repeat(n, 1, 1)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        matrix[:, 0, 0], matrix[:, 0, 1] = cosine, cosine * shear + sine
        matrix[:, 1, 0], matrix[:, 1, 1] = -sine, cosine - sine * shear
        centre = (self.size - 1) / 2
        for row in range(2):
            matrix[:, row, 2] = centre - centre * matrix[:, row, :2].sum(-1) + shift[row]
        return warp(views, matrix)

    def _perspective(self, views: Tensor) -> Tensor:
        """The four corners move inwards, each on its own."""
        n, last = len(views), self.size - 1.0
        corners = torch.tensor([[0.0, 0.0], [last, 0.0], [last, last], [0.0, last]]).repeat(n, 1, 1)  # [n, 4, 2]
        inwards = self._uniform(n * 8).view(n, 4, 2) * self.spec.perspective * self.size / 2
        moved = corners + inwards * torch.where(corners > 0, -1.0, 1.0)
        return warp(views, homography(corners, moved))

    def _colour(self, views: Tensor) -> Tensor:
        """Four stages in an order that is drawn for the whole batch."""
        spec, n, device = self.spec, len(views), self.device

        def factor(amount: float, middle: float = 1.0) -> Tensor:
            return self._uniform(n, middle - amount, middle + amount).view(-1, 1, 1, 1).to(device)

        stages = [
            (brighten, factor(spec.brightness, 0.0)),
            (contrast, factor(spec.contrast)),
            (saturate, factor(spec.saturation)),
            (turn, factor(spec.hue, 0.0) * _FULL_TURN),
        ]
        for index in torch.randperm(4, generator=self.draws).tolist():
            stage, by = stages[index]
            views = stage(views, by)
        return views

    def _erase(self, views: Tensor) -> Tensor:
        """The same rectangle of all views becomes zero."""
        spec, size = self.spec, self.size
        area = self._uniform(1, *spec.erase_area).item() * size**2
        low, high = spec.erase_aspect
        sides = (1.0, high) if self._uniform(1).item() < 0.5 else (low, 1.0)
        aspect = self._uniform(1, *sides).item()
        rows, cols = (min(size, round(math.sqrt(value))) for value in (area * aspect, area / aspect))
        y, x = (int(self._uniform(1).item() * (size - length + 1)) for length in (rows, cols))
        inside = torch.zeros_like(views)
        inside[..., y : y + rows, x : x + cols] = 1
        return torch.where(inside == 1, torch.zeros_like(views), views)


def homography(source: Tensor, target: Tensor) -> Tensor:
    """The maps [n, 3, 3] that take four points [n, 4, 2] to four others, by eight linear equations each."""
    x, y = source.unbind(-1)  # [n, 4]
    u, v = target.unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    across = torch.stack([x, y, one, zero, zero, zero, -x * u, -y * u], dim=-1)
    down = torch.stack([zero, zero, zero, x, y, one, -x * v, -y * v], dim=-1)
    found = torch.linalg.solve(torch.cat([across, down], dim=1), torch.cat([u, v], dim=1))  # [n, 8]
    return torch.cat([found, torch.ones_like(found[:, :1])], dim=1).view(-1, 3, 3)


def warp(views: Tensor, matrix: Tensor) -> Tensor:
    """Views [n, 3, S, S] moved by maps [n, 3, 3] of pixel positions (x, y, 1): bilinear, zeros from outside."""
    size = views.shape[-1]
    inverse = torch.linalg.inv(matrix).to(views.device)
    line = torch.arange(size, device=views.device, dtype=views.dtype)
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(1, -1, 3)  # [1, S*S, 3]
    source = points @ inverse.mT  # [n, S*S, 3]
    place = source[..., :2] / source[..., 2:]
    grid = (place * 2 + 1) / size - 1  # pixel centres to grid_sample's -1..1 between edges
    return F.grid_sample(views, grid.view(-1, size, size, 2), "bilinear", "zeros", align_corners=False)
