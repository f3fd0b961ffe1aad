"""Views of two kinds: the first ones are drawn by one spec, the rest by another (clipit's zoomed and wide views).

Both kinds go through the cutouts op together, so they may differ only in what the op is told per view: geometry, colour
factors, sharpness, boxes, noise scales and padding.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_spec import CutoutSpec

_SHARED = ("pool", "bilinear", "stretch", "resample", "integer_shift", "whole", "noise", "clamp", "signed")


@dataclass(frozen=True)
class CutoutMix:
    """int(share * n) of n views are drawn by `first`, those after them by `rest`.

    Has the facts of a CutoutSpec that the op asks for: a stage is there if either kind has it. Raises UserError for
    kinds that cannot go through the op together, and for a share outside 0..1.
    """

    first: CutoutSpec
    rest: CutoutSpec
    share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise UserError(f"cutouts: the share of the first kind must be between 0 and 1, got {self.share:g}")
        if self.first.integer_shift or self.first.resample == "lanczos" or self.first.whole:
            raise UserError("cutouts: two kinds of views are resampled by mips; drop integer_shift, lanczos and whole")
        for name in _SHARED:
            mine, other = getattr(self.first, name), getattr(self.rest, name)
            if mine != other:
                raise UserError(f"cutouts: both kinds of views must agree in {name}, got {mine!r} and {other!r}")

    def parts(self, views: int) -> list[tuple[CutoutSpec, int, int]]:
        """Which of so many views are drawn by which spec: (spec, first, last + 1)."""
        count = int(self.share * views + 1e-9)  # two thirds of three are two
        return [(self.first, 0, count), (self.rest, count, views)]

    # What both kinds have in common.

    integer_shift = False

    @property
    def pool(self) -> bool:
        return self.first.pool

    @property
    def bilinear(self) -> bool:
        return self.first.bilinear

    @property
    def shrinks(self) -> bool:
        return self.first.shrinks

    @property
    def stretch(self) -> bool:
        return self.first.stretch

    @property
    def resample(self) -> str:
        return self.first.resample

    @property
    def noise(self) -> str:
        return self.first.noise

    @property
    def clamp(self) -> bool:
        return self.first.clamp

    @property
    def signed(self) -> bool:
        return self.first.signed

    # What either of them has.

    @property
    def has_perspective(self) -> bool:
        return self.first.has_perspective or self.rest.has_perspective

    @property
    def has_colour(self) -> bool:
        return self.first.has_colour or self.rest.has_colour

    @property
    def has_light(self) -> bool:
        return self.first.has_light or self.rest.has_light

    @property
    def has_saturation(self) -> bool:
        return self.first.has_saturation or self.rest.has_saturation

    @property
    def has_hue(self) -> bool:
        return self.first.has_hue or self.rest.has_hue

    @property
    def has_sharpness(self) -> bool:
        return self.first.has_sharpness or self.rest.has_sharpness

    @property
    def has_erasing(self) -> bool:
        return self.first.has_erasing or self.rest.has_erasing

    @property
    def has_noise(self) -> bool:
        return self.first.has_noise or self.rest.has_noise

    def is_exact(self, height: int, width: int, size: int) -> bool:
        """Whether every view is a whole-pixel crop, so that nothing needs resampling."""
        return self.first.is_exact(height, width, size) and self.rest.is_exact(height, width, size)


AnySpec = CutoutSpec | CutoutMix
