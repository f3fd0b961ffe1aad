"""An alarm for adversarial noise: does a picture's power spectrum fall as that of pictures does?

The power of natural pictures falls with about the square of the frequency (Field 1987; Torralba and Oliva 2003,
"Statistics of natural image categories"), drawings fall faster, and what gradient ascent on pixels adds for a network's
sake alone is nearly white (Fort 2025, arXiv 2502.07753, plots it). Two numbers say so: the share of the power in the
upper half of the frequencies, and the slope of the power averaged over rings. Knows neither networks nor files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastclipgen.errors import UserError

RINGS = 32  # from 0 to half a period per pixel, beyond which only the corners of the spectrum lie
_HIGH = RINGS // 2  # the first ring above a quarter of a period per pixel
MIN_SIDE = 16  # pixels; less has no slope to speak of
_FLAT = 1e-18  # mean power of what is left of a flat picture by rounding
_SPREADS = 3.0  # standard deviations above the reference's mean slope


@dataclass(frozen=True)
class Limits:
    """What raises the alarm: a share of high frequencies above `share` together with a slope above `slope`.

    One alone does not: fine texture has much power there, and a plain picture a flat end of nearly no power.
    """

    share: float
    slope: float

    def exceeded(self, share: Tensor, slope: Tensor) -> Tensor:
        """bool, of the shape of both; False where they are not known (NaN)."""
        return (share > self.share) & (slope > self.slope)


# `limits_of` 51 COCO-2017 photographs in their own size of up to 640 pixels (docs/evaluation.md has the figures).
NATURAL = Limits(share=0.04, slope=-1.3)


def ring_power(picture: Tensor) -> Tensor:
    """Power of a picture [3, H, W] in 0..1 by frequency: float64 [2, RINGS + 1], per pixel; all 0 for a flat picture.

    Row 0: the power in each ring, all colours together; row 1: how many frequencies the ring has. The last column is
    the corners. A Hann window keeps the jump from one edge of the picture to the other out of it. Raises UserError
    below MIN_SIDE pixels.
    """
    height, width = picture.shape[-2:]
    if min(height, width) < MIN_SIDE:
        raise UserError(
            f"a spectrum needs pictures of {MIN_SIDE} x {MIN_SIDE} pixels or more, got {width} x {height}; "
            "leave small ones out"
        )
    plain = {"dtype": torch.float64, "device": picture.device}
    window = torch.hann_window(height, periodic=False, **plain)[:, None] * torch.hann_window(
        width, periodic=False, **plain
    )
    values = picture.double()
    values = values - (values * window).sum((1, 2), keepdim=True) / window.sum()
    power = torch.fft.fft2(values * window).abs().square().sum(0) / (window.square().sum() * height * width)  # [H, W]
    if power.mean() < _FLAT:
        power = torch.zeros_like(power)
    down, right = torch.fft.fftfreq(height, **plain)[:, None], torch.fft.fftfreq(width, **plain)
    ring = ((down.square() + right.square()).sqrt() * (2 * RINGS)).long().clamp_max(RINGS).flatten()
    sums = torch.stack([power.flatten(), torch.ones_like(power).flatten()])
    return torch.zeros(2, RINGS + 1, **plain).index_add(1, ring, sums)


def high_share(rings: Tensor) -> Tensor:
    """The share of the power, 0..1, above a quarter of a period per pixel: `ring_power` [N, 2, R] -> [N]; NaN for a
    flat picture. White noise has 0.80."""
    power = rings[:, 0].double()
    return power[:, _HIGH:].sum(1) / power.sum(1)


def slope(rings: Tensor) -> Tensor:
    """The exponent a of power ~ frequency ** a, by least squares over the rings in logarithms: `ring_power` [N, 2, R]
    -> [N]; NaN for a flat picture. White noise has 0, natural pictures about -2, drawings -3 and less.

    The innermost ring, which the window fills with the picture's own mean, and the corners are left out.
    """
    power, count = rings.double().unbind(1)
    inside = slice(1, RINGS)
    known = (count[:, inside] > 0) & (power[:, inside] > 0)  # small pictures leave rings empty
    density = torch.where(known, power[:, inside] / count[:, inside], torch.ones_like(power[:, inside])).log()
    place = ((torch.arange(1, RINGS, device=rings.device).double() + 0.5) / RINGS).log().expand_as(density)
    weight = known.double()
    weight = weight / weight.sum(1, keepdim=True)  # 0 / 0 of a flat picture is the NaN that is promised
    place = place - (weight * place).sum(1, keepdim=True)
    density = density - (weight * density).sum(1, keepdim=True)
    return (weight * place * density).sum(1) / (weight * place.square()).sum(1)


def limits_of(rings: Tensor) -> Limits:
    """The limits by pictures that are known to be good, `ring_power` [N, 2, R]: more high frequencies than is usual
    there (the geometric mean), and a slope beyond their mean by three standard deviations.

    Flat pictures count for nothing. Raises UserError for fewer than 8 others, whose spread would say little.
    """
    shares, slopes = high_share(rings), slope(rings)
    known = torch.isfinite(slopes) & (shares > 0)
    if int(known.sum()) < 8:
        raise UserError(
            f"the spectrum of a reference needs 8 pictures or more that are not flat, got {int(known.sum())}; give more"
        )
    slopes = slopes[known]
    return Limits(float(shares[known].log().mean().exp()), float(slopes.mean() + _SPREADS * slopes.std()))
