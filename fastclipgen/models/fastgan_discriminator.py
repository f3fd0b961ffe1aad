"""FastGAN's discriminator, which also paints again what it has seen. Knows nothing of losses, training or files.

Liu et al., arXiv 2101.04775. A trunk from the picture down to 8 x 8, with excitations; a branch of its own for the
small picture; decoders of their last maps, whose errors keep the features rich. Written from a description. There are
two variants of it: the "upstream" one of the original program, and the "vendored" one that clipping-CLIP-to-GAN
carries, beside which its generator was trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from fastclipgen.models.fastgan import MULTIPLIERS, SIDES, BatchNorm, Excitation, Stage

WIDTHS = {4: 16.0, 8: 16.0, 16: 8.0, 32: 4.0, 64: 2.0, 128: 1.0, 256: 0.5, 512: 0.25, 1024: 0.125}  # times the base
FINEST = 256  # pixels along the side of the trunk's finest map, where pictures have as many
LAST = 8  # of the coarsest maps
Variant = Literal["upstream", "vendored"]


@dataclass(frozen=True)
class Geometry:
    """What the sizes of a discriminator's weights follow from.

    size: pixels of a picture's side, 32, 64 ... 1024 (vendored: 512 and 1024). base: of the widths of trunk and branch;
    decoder: of those of the decoders. judge: width of the last map of the vendored variant's small branch; the other
    has no such map. Raises ValueError for a vendored one of another size: below 512 pixels its trunk is too short for
    its last convolution.
    """

    size: int
    base: int = 64
    variant: Variant = "upstream"
    judge: int | None = None
    decoder: int = 32

    def __post_init__(self) -> None:
        if self.variant == "vendored" and self.size < 512:
            raise ValueError(f"expected a vendored discriminator for 512 or 1024 pixels, got {self.size}")

    @property
    def small(self) -> int:
        """Pixels along the side of small pictures and of those painted again, as the generator's."""
        return min(128, self.size // 2)

    @property
    def finest(self) -> int:
        """Pixels along the side of the trunk's first map."""
        return min(self.size, FINEST)

    def trunk(self, side: int) -> int:
        """Channels of the trunk's map of this side."""
        return int(WIDTHS[2 * side] * self.base)

    def branch(self, side: int) -> int:
        """Channels of the small branch's map of this side."""
        return int(WIDTHS[4 * side] * self.base)


class Painted(NamedTuple):
    """Pictures [B, 3, s, s] in -1..1, from the last maps of trunk and small branch, and a quarter of one before."""

    big: Tensor
    small: Tensor
    quarter: Tensor


class Down(nn.Module):
    """[B, inside, h, w] -> [B, outside, h/2, w/2]; with a `direct` way beside the main one, the mean of both."""

    def __init__(self, inside: int, outside: int, direct: bool) -> None:
        super().__init__()
        ways = _normed(nn.Conv2d(inside, outside, 4, 2, 1, bias=False))
        if direct:
            ways += _normed(nn.Conv2d(outside, outside, 3, padding=1, bias=False))
            self.direct = nn.Sequential(nn.AvgPool2d(2), *_normed(nn.Conv2d(inside, outside, 1, bias=False)))
        self.main = nn.Sequential(*ways)

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.direct(x)) / 2 if hasattr(self, "direct") else self.main(x)


class Decoder(nn.Module):
    """A map [B, channels, 8, 8] -> pictures [B, 3, size, size] in -1..1; base: of its widths. pooled: its layers are
    numbered from 1, after a pool to 8 x 8 that such maps do not need."""

    def __init__(self, channels: int, size: int, base: int, pooled: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Identity()] if pooled else []
        for side in (side for side in SIDES if LAST < side <= size):
            outside = int(MULTIPLIERS[SIDES.index(side)] * base)
            layers.append(Stage(channels, outside, noisy=False))
            channels = outside
        self.main = nn.Sequential(*layers, nn.Conv2d(channels, 3, 3, padding=1, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class Discriminator(nn.Module):
    """Pictures in two sizes -> logits, high for true ones, and pictures painted again. Its maps go by the names of
    published files: down_4 makes the one whose side is a quarter of 512, se_2_16 excites the 16th by the half."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        g = self.geometry = geometry
        upstream = g.variant == "upstream"
        self.down_from_big = nn.Sequential(*_first(g))
        side = g.finest // 2
        while side >= LAST:
            self.add_module(f"down_{512 // side}", Down(g.trunk(2 * side), g.trunk(side), direct=True))
            side //= 2
        for source, target in _excitations(g):
            name = f"se_{512 // source}_{512 // target}"
            self.add_module(name, Excitation(g.trunk(source), g.trunk(target)))
        last, wide = g.trunk(LAST), int(WIDTHS[8] * g.base)
        start: list[nn.Module] = [Down(last, wide, direct=True)]
        if upstream:
            start = _normed(nn.Conv2d(last, wide, 1, bias=False))
        self.rf_big = nn.Sequential(*start, nn.Conv2d(wide, 1, 4, bias=False))

        side = g.small // 2
        branch: list[nn.Module] = [nn.Conv2d(3, g.branch(side), 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        while side > LAST:
            branch.append(Down(g.branch(side), g.branch(side // 2), direct=False))
            side //= 2
        self.down_from_small = nn.Sequential(*branch)
        end, judge = g.branch(LAST), g.judge or g.branch(LAST // 2)
        self.rf_small = nn.Conv2d(end, 1, 4, bias=False)
        if not upstream:
            self.rf_small = nn.Sequential(Down(end, judge, direct=False), nn.Conv2d(judge, 1, 4, bias=False))

        self.decoder_big = Decoder(last, g.small, g.decoder, upstream)
        self.decoder_part = Decoder(g.trunk(2 * LAST), g.small, g.decoder, upstream)
        self.decoder_small = Decoder(end, g.small, g.decoder, upstream)

    def forward(self, big: Tensor, small: Tensor, quarter: Tensor | None = None) -> tuple[Tensor, Painted | None]:
        """Pictures [B, 3, S, S] and [B, 3, s, s] (`geometry.small`), about -1..1 -> logits [B, n], and with the number
        of a quarter (see `quarter_of`) what the decoders make of them."""
        g = self.geometry
        maps = {g.finest: self.down_from_big(big)}
        side = g.finest // 2
        sources = {target: source for source, target in _excitations(g)}
        while side >= LAST:
            x = self.get_submodule(f"down_{512 // side}")(maps[2 * side])
            if side in sources:
                x = x * self.get_submodule(f"se_{512 // sources[side]}_{512 // side}")(maps[sources[side]])
            maps[side] = x
            side //= 2
        end = self.down_from_small(small)
        logits = [judge.flatten(1) for judge in (self.rf_big(maps[LAST]), self.rf_small(end))]
        painted = None
        if quarter is not None:
            part = quarter_of(maps[2 * LAST], quarter)
            painted = Painted(self.decoder_big(maps[LAST]), self.decoder_small(end), self.decoder_part(part))
        return torch.cat(logits, 1), painted


def quarter_of(x: Tensor, number: Tensor) -> Tensor:
    """A quarter [B, C, h/2, w/2] of maps or pictures [B, C, h, w]. number: int64 0-d; 0 and 1 are the upper ones, 0 and
    2 those at the left."""
    quarters = x.unflatten(3, (2, -1)).unflatten(2, (2, -1)).permute(2, 4, 0, 1, 3, 5).flatten(0, 1)
    return quarters.index_select(0, number.reshape(1))[0]


def _excitations(g: Geometry) -> list[tuple[int, int]]:
    """Sides of the maps that excite, and of those that are excited."""
    return [(side, side // 8) for side in (256, 128, 64) if side <= g.finest]


def _first(g: Geometry) -> list[nn.Module]:
    """From a picture to the trunk's finest map."""
    width = g.trunk(g.finest)
    if g.size <= FINEST:
        return [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.LeakyReLU(0.2)]
    if g.size == 512:
        return [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    inside = int(WIDTHS[1024] * g.base)
    more = _normed(nn.Conv2d(inside, width, 4, 2, 1, bias=False))
    return [nn.Conv2d(3, inside, 4, 2, 1, bias=False), nn.LeakyReLU(0.2), *more]


def _normed(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, BatchNorm(conv.out_channels), nn.LeakyReLU(0.2)]
