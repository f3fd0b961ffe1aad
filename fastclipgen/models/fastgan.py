"""FastGAN's generator: a vector of normal numbers -> a picture, in one pass. Knows nothing of training and files.

Liu et al., "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis", arXiv 2101.04775:
stages that double the side, of which coarse ones excite the channels of fine ones (skip-layer excitation). Written from
a description; layers are named as in published checkpoints, whose spectral norm is folded into the weights
(fastgan_dialects.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.models.recalibrate import recalibrate
from fastclipgen.ops.philox import Stream, normals

MULTIPLIERS = (16, 8, 4, 2, 2, 1, 0.5, 0.25, 0.125)  # of the base: channels at sides 4, 8, ... 1024
SIDES = tuple(4 << level for level in range(len(MULTIPLIERS)))
SMALLEST = 32  # pixels of a picture's side
NOISY = (8, 32, 128, 512)  # sides of the stages with two convolutions, each followed by noise
SOURCES = (4, 8, 16, 32)  # sides of the maps that excite others
Statistics = Literal["running", "batch", "picture"]
Noise = dict[int, Tensor]  # side -> [B, 2, side, side]


@dataclass(frozen=True)
class Geometry:
    """What the sizes of a generator's weights follow from.

    widths: channels at sides 4, 8, 16 ..., of which the last is the picture's. latent: numbers that make a picture.
    """

    widths: tuple[int, ...]
    latent: int = 256

    @classmethod
    def usual(cls, size: int, base: int = 64, latent: int = 256) -> Geometry:
        """The published one for pictures of `size` pixels (256, 512, 1024), and the same cut short for 32, 64, 128."""
        widths = tuple(int(multiplier * base) for multiplier in MULTIPLIERS[: SIDES.index(size) + 1])
        return cls(widths, latent)

    @property
    def sides(self) -> tuple[int, ...]:
        return SIDES[: len(self.widths)]

    @property
    def size(self) -> int:
        """Pixels of a picture's side."""
        return self.sides[-1]

    @property
    def small(self) -> int:
        """Pixels along the side of the small picture that is drawn as well: 128, or half of what is no larger."""
        return min(128, self.size // 2)

    @property
    def reach(self) -> int:
        """How many times as large as its source an excited map is: 16, or less in small networks, such that the three
        finest maps are excited in any case (at 64 pixels 4 excites 16, 8 excites 32, 16 excites 64)."""
        return min(16, self.size // 16)

    @property
    def excited(self) -> tuple[int, ...]:
        """Sides of the maps that are excited."""
        return tuple(side * self.reach for side in SOURCES if side * self.reach <= self.size)

    @property
    def bounded(self) -> bool:
        """Whether pictures end in tanh, which they do at 1024 pixels only; others may leave -1..1."""
        return self.size >= 1024


class BatchNorm(nn.BatchNorm2d):
    """In eval mode it normalises by `statistics`: "running" ones, those of the "batch", or of each "picture" alone,
    which is what a batch of one in training mode gets, for every row."""

    statistics: Statistics = "running"

    def forward(self, input: Tensor) -> Tensor:
        if self.training or self.statistics == "running":
            return super().forward(input)
        if self.statistics == "batch":
            return F.batch_norm(input, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


class AddNoise(nn.Module):
    """x [B, C, h, w] + weight * noise [B, 1, h, w]; the weight is one number, 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return x + self.weight * noise.to(x.dtype)


class Stage(nn.Sequential):
    """[B, C, h, w] -> [B, outside, 2h, 2w], by nearest neighbours and one convolution with a gate, or with `noise`
    [B, 2, 2h, 2w] (None: none is added) by two."""

    def __init__(self, inside: int, outside: int, noisy: bool) -> None:
        layers: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest")]
        for channels in (inside, outside)[: 1 + noisy]:
            layers.append(nn.Conv2d(channels, 2 * outside, 3, padding=1, bias=False))
            if noisy:
                layers.append(AddNoise())
            layers += [BatchNorm(2 * outside), nn.GLU(1)]
        super().__init__(*layers)

    def forward(self, input: Tensor, noise: Tensor | None = None) -> Tensor:
        maps = iter(()) if noise is None else iter(noise.split(1, 1))
        x = input
        for layer in self:
            if not isinstance(layer, AddNoise):
                x = layer(x)
            elif noise is not None:
                x = layer(x, next(maps))
        return x


class Excitation(nn.Module):
    """A coarse map [B, inside, h, w] -> factors [B, outside, 1, 1] in 0..1 for the channels of a finer one."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(inside, outside, 4, bias=False),
            nn.SiLU(),
            nn.Conv2d(outside, outside, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class Beginning(nn.Module):
    """Latents [B, Z] -> maps [B, C, 4, 4]."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        transposed = nn.ConvTranspose2d(latent, 2 * channels, 4, bias=False)
        self.init = nn.Sequential(transposed, BatchNorm(2 * channels), nn.GLU(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.init(z[:, :, None, None])


class FastGAN(nn.Module):
    """The generator. It computes in the dtype of its weights.

    calibrated: whether the running statistics of its norms belong to its weights; `settle` makes it so.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry, self.calibrated = geometry, True
        width = dict(zip(geometry.sides, geometry.widths, strict=True))
        self.init = Beginning(geometry.latent, width[4])
        for side in geometry.sides[1:]:
            self.add_module(f"feat_{side}", Stage(width[side // 2], width[side], side in NOISY))
        for side in geometry.excited:
            self.add_module(f"se_{side}", Excitation(width[side // geometry.reach], width[side]))
        self.add_module(f"to_{geometry.small}", nn.Conv2d(width[geometry.small], 3, 1, bias=False))
        self.to_big = nn.Conv2d(geometry.widths[-1], 3, 3, padding=1, bias=False)

    def noise(self, seeds: Tensor, step: int | Tensor = 0) -> Noise:
        """The noise that pictures with these seeds (int64 [B]) get: the same for one step in every batch and on every
        device, another for another step. Float32 [B, 2, side, side] for each of NOISY up to the size."""
        sides = [side for side in NOISY if side <= self.geometry.size]
        lengths = [2 * side * side for side in sides]
        drawn = normals(seeds, step, Stream.FEATURE_NOISE, sum(lengths))[:, 0].split(lengths, 1)
        return {side: part.unflatten(1, (2, side, side)) for side, part in zip(sides, drawn, strict=True)}

    def both(self, z: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Latents [B, Z] -> pictures [B, 3, S, S] and small ones [B, 3, s, s] (`geometry.small`), about -1..1. Without
        noise none is added."""
        maps = self._maps(z, noise)
        return self._picture(self.to_big, maps[self.geometry.size]), self._picture(
            self.get_submodule(f"to_{self.geometry.small}"), maps[self.geometry.small]
        )

    def forward(self, z: Tensor, noise: Noise | None = None) -> Tensor:
        """Latents [B, Z] -> pictures [B, 3, S, S], about -1..1 (not clamped)."""
        return self._picture(self.to_big, self._maps(z, noise)[self.geometry.size])

    def _maps(self, z: Tensor, noise: Noise | None) -> dict[int, Tensor]:
        """The map of every side."""
        maps = {4: self.init(z.to(self.to_big.weight.dtype))}
        for side in self.geometry.sides[1:]:
            x = self.get_submodule(f"feat_{side}")(maps[side // 2], None if noise is None else noise.get(side))
            if side in self.geometry.excited:
                x = x * self.get_submodule(f"se_{side}")(maps[side // self.geometry.reach])
            maps[side] = x
        return maps

    def _picture(self, last: nn.Module, x: Tensor) -> Tensor:
        return last(x).tanh() if self.geometry.bounded else last(x)

    def normalise_by(self, statistics: Statistics) -> None:
        """What the norms use in eval mode from here on (see BatchNorm). Raises ValueError for another word."""
        if statistics not in get_args(Statistics):
            raise ValueError(f"expected one of {', '.join(get_args(Statistics))}, got {statistics!r}")
        for norm in self.norms():
            norm.statistics = statistics

    def norms(self) -> list[BatchNorm]:
        return [module for module in self.modules() if isinstance(module, BatchNorm)]


def settle(model: FastGAN, batches: Iterable[tuple[Tensor, Noise | None]]) -> None:
    """Statistics of a generator's own weights, from latents [B, Z] and their noise (recalibrate.py)."""
    recalibrate(model, batches)
    model.calibrated = True
