"""Colour jitter of pixels and its gradient in Triton: the twin of csrc/cutout_colour.h, stage by stage.

A pixel is three blocks r, g, b. Factors are scalars: one view is worked on at a time.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# (the language of kernels is not Python: constants are tl.constexpr, and launches add arguments)
from __future__ import annotations

import triton
import triton.language as tl

_GREY = tl.constexpr(1e-6)  # below this chroma the hue is rounding noise: such pixels keep their colour


@triton.jit
def unit_range(v):
    return tl.minimum(tl.maximum(v, 0.0), 1.0)


@triton.jit
def in_unit_range(v):
    return tl.where((v >= 0.0) & (v <= 1.0), 1.0, 0.0)


@triton.jit
def _lit(v, brightness, contrast):
    return unit_range(unit_range(v + (brightness - 1.0)) * contrast)


@triton.jit
def _lit_slope(v, brightness, contrast):
    brighter = v + (brightness - 1.0)
    return in_unit_range(brighter) * in_unit_range(unit_range(brighter) * contrast) * contrast


@triton.jit
def _extremes(r, g, b):
    return tl.maximum(tl.maximum(r, g), b), tl.minimum(tl.minimum(r, g), b)


@triton.jit
def _share_among(r, g, b, extreme, gradient):
    """The gradient of an extreme value, shared among the channels that have it."""
    in_r, in_g = tl.where(r == extreme, 1.0, 0.0), tl.where(g == extreme, 1.0, 0.0)
    in_b = tl.where(b == extreme, 1.0, 0.0)
    each = gradient / (in_r + in_g + in_b)
    return in_r * each, in_g * each, in_b * each


@triton.jit
def _saturated(r, g, b, factor):
    value, low = _extremes(r, g, b)
    chroma = value - low
    over = factor * chroma > value
    k = tl.where(over, value / tl.where(over, chroma, 1.0), factor)
    return value - k * (value - r), value - k * (value - g), value - k * (value - b)


@triton.jit
def _saturated_gradient(r, g, b, factor, grad_r, grad_g, grad_b):
    value, low = _extremes(r, g, b)
    chroma = value - low
    over = factor * chroma > value
    safe = tl.where(over, chroma, 1.0)
    k = tl.where(over, value / safe, factor)
    to_k = -(grad_r * (value - r) + grad_g * (value - g) + grad_b * (value - b))
    through_value = tl.where(over, to_k / safe, 0.0)
    to_chroma = -through_value * value / safe
    to_value = (grad_r + grad_g + grad_b) * (1.0 - k) + through_value + to_chroma
    top_r, top_g, top_b = _share_among(r, g, b, value, to_value)
    low_r, low_g, low_b = _share_among(r, g, b, low, -to_chroma)
    return k * grad_r + top_r + low_r, k * grad_g + top_g + low_g, k * grad_b + top_b + low_b


@triton.jit
def _hue(r, g, b, turns):
    """Value, chroma, a divisor in its place, hue numerator, turned hue, and which pixels are turned at all."""
    value, low = _extremes(r, g, b)
    chroma = value - low
    coloured = chroma > _GREY
    safe = tl.where(coloured, chroma, 1.0)
    numerator = tl.where(value == r, g - b, tl.where(value == g, b - r, r - g))
    sector = tl.where(value == r, 0.0, tl.where(value == g, 2.0, 4.0))
    all_turns = tl.zeros_like(value) + turns  # a scalar's truth does not broadcast in Triton's interpreter
    return value, chroma, safe, numerator, numerator / safe + sector + 6.0 * turns, coloured & (all_turns != 0.0)


@triton.jit
def _place(hue, offset):
    shifted = hue + offset
    return shifted - tl.floor(shifted * (1.0 / 6.0)) * 6.0


@triton.jit
def _weight(place):
    return unit_range(tl.minimum(place, 4.0 - place))


@triton.jit
def _slope(place):
    return in_unit_range(tl.minimum(place, 4.0 - place)) * tl.where(place < 2.0, 1.0, -1.0)


@triton.jit
def _turned(r, g, b, turns):
    value, chroma, _, _, hue, applies = _hue(r, g, b, turns)
    return (
        tl.where(applies, value - chroma * _weight(_place(hue, 5.0)), r),
        tl.where(applies, value - chroma * _weight(_place(hue, 3.0)), g),
        tl.where(applies, value - chroma * _weight(_place(hue, 1.0)), b),
    )


@triton.jit
def _turned_gradient(r, g, b, turns, grad_r, grad_g, grad_b):
    value, chroma, safe, numerator, hue, applies = _hue(r, g, b, turns)
    at_r, at_g, at_b = _place(hue, 5.0), _place(hue, 3.0), _place(hue, 1.0)
    to_hue = -chroma * (grad_r * _slope(at_r) + grad_g * _slope(at_g) + grad_b * _slope(at_b)) / safe
    weighted = grad_r * _weight(at_r) + grad_g * _weight(at_g) + grad_b * _weight(at_b)
    to_chroma = -weighted - to_hue * numerator / safe
    _, low = _extremes(r, g, b)
    top_r, top_g, top_b = _share_among(r, g, b, value, grad_r + grad_g + grad_b + to_chroma)
    low_r, low_g, low_b = _share_among(r, g, b, low, -to_chroma)
    # The numerator is g - b, b - r or r - g, by the largest channel.
    red = tl.where(value == r, 1.0, 0.0)
    green = tl.where(value == g, 1.0 - red, 0.0)
    blue = 1.0 - red - green
    return (
        tl.where(applies, top_r + low_r + to_hue * (blue - green), grad_r),
        tl.where(applies, top_g + low_g + to_hue * (red - blue), grad_g),
        tl.where(applies, top_b + low_b + to_hue * (green - red), grad_b),
    )


@triton.jit
def jitter(r, g, b, factors, LIGHT: tl.constexpr, SATURATION: tl.constexpr, HUE: tl.constexpr):
    """factors: address of brightness, contrast, saturation and hue in turns; the flags: which stages there are."""
    if LIGHT:
        brightness, contrast = tl.load(factors), tl.load(factors + 1)
        r, g, b = _lit(r, brightness, contrast), _lit(g, brightness, contrast), _lit(b, brightness, contrast)
    if SATURATION:
        r, g, b = _saturated(r, g, b, tl.load(factors + 2))
    if HUE:
        r, g, b = _turned(r, g, b, tl.load(factors + 3))
    return r, g, b


@triton.jit
def jitter_gradient(
    r, g, b, grad_r, grad_g, grad_b, factors, LIGHT: tl.constexpr, SATURATION: tl.constexpr, HUE: tl.constexpr
):
    """The gradient to the pixels r, g, b before all stages from the one after them."""
    lit_r, lit_g, lit_b = jitter(r, g, b, factors, LIGHT, False, False)
    if HUE:
        full_r, full_g, full_b = jitter(lit_r, lit_g, lit_b, factors, False, SATURATION, False)
        turns = tl.load(factors + 3)
        grad_r, grad_g, grad_b = _turned_gradient(full_r, full_g, full_b, turns, grad_r, grad_g, grad_b)
    if SATURATION:
        factor = tl.load(factors + 2)
        grad_r, grad_g, grad_b = _saturated_gradient(lit_r, lit_g, lit_b, factor, grad_r, grad_g, grad_b)
    if LIGHT:
        brightness, contrast = tl.load(factors), tl.load(factors + 1)
        grad_r *= _lit_slope(r, brightness, contrast)
        grad_g *= _lit_slope(g, brightness, contrast)
        grad_b *= _lit_slope(b, brightness, contrast)
    return grad_r, grad_g, grad_b
