"""Where views lie in a picture: the matrices of all views of all pictures at once, from the ranges of a CutoutSpec.

All arithmetic is elementwise on [B, N] planes (no batched matrix products, whose rounding may depend on the batch), so
a picture's matrices are the same bits alone and in a batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fastclipgen.ops import philox
from fastclipgen.ops.cutout_draws import Planes, between, planes, spread
from fastclipgen.ops.cutout_spec import CutoutSpec
from fastclipgen.ops.philox import Stream

# The perspective divisor, 1 at a view's centre, is bounded below: points near or behind the horizon land far outside.
MIN_W = 0.05
# Draws per view; a fixed place for each, so that switching one thing off does not move the others.
_NAMES = ("crop", "x", "y", "aspect", "affine", "angle", "shear", "shift_x", "shift_y", "perspective", "flip")
_CORNERS = 8
_TRIES = 10  # at a zoom's area and aspect, as kornia and torchvision have it: the first that fits is taken
_LATER = ("turning", "turn", "zoom", "zoom_x", "zoom_y")  # after the corners, drawn only where something needs them
# Frame "inside", clipit's wide views: how large the picture's longer side is in the view.
_INSIDE_SQUARE = (0.95, 0.95)  # of a square picture
_INSIDE = (0.9, 1.0)  # of any other


def crop_range(spec: CutoutSpec, height: float, width: float, size: int) -> tuple[float, float]:
    """The smallest and largest crop as a fraction of the short side, of pictures of height x width pixels."""
    low, high = spec.crop
    if spec.unenlarged:
        low = min(max(low, size / min(height, width)), high)
    return low, high


def unpooled(spec: CutoutSpec, height: int, width: int, aspect: float) -> tuple[float, float]:
    """Height and width in which crops are measured: those of the array, or of a pooled one that got its shape
    (`aspect`, width / height) back."""
    if not spec.stretch:
        return height, width
    return (height, width * aspect) if aspect >= 1.0 else (height / aspect, width)


def inside_range(height: float, width: float) -> tuple[float, float]:
    """By how much a picture shrinks to lie inside a square of its shorter side."""
    low, high = _INSIDE_SQUARE if height == width else _INSIDE
    fit = min(height, width) / max(height, width)
    return low * fit, high * fit


def _rows(*entries: Tensor | float) -> Tensor:
    """Nine [B, N] planes or numbers to [B, N, 3, 3]."""
    like = next(e for e in entries if isinstance(e, Tensor))
    planes = [e if isinstance(e, Tensor) else torch.full_like(like, e) for e in entries]
    return torch.stack(planes, dim=-1).unflatten(-1, (3, 3))


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """3x3 products in a fixed order of additions; see the module docstring."""
    return a[..., :, :1] * b[..., :1, :] + a[..., :, 1:2] * b[..., 1:2, :] + a[..., :, 2:] * b[..., 2:, :]


def integer_shifts(
    spec: CutoutSpec,
    seeds: Tensor,
    step: int | Tensor,
    views: int,
    height: int,
    width: int,
    size: int,
    shared_seed: int,
) -> Tensor:
    """Uniform whole-pixel offsets over the margin: (word * count) >> 32 is exact in int64."""
    keys = torch.full_like(seeds[:1], shared_seed) if spec.shared_shift else seeds
    draws = philox.words(keys, step, Stream.GEOMETRY, 2, views).expand(len(seeds), views, 2)
    x = (draws[..., 0] * (width - size + 1) >> 32).to(torch.float32)
    y = (draws[..., 1] * (height - size + 1) >> 32).to(torch.float32)
    return _rows(1.0, 0.0, x, 0.0, 1.0, y, 0.0, 0.0, 1.0)


def view_matrices(
    spec: CutoutSpec,
    seeds: Tensor,
    step: int | Tensor,
    views: int,
    height: int,
    width: int,
    size: int,
    aspect: float,
) -> Tensor:
    """[B, N, 3, 3]: source <- crop <- flip <- affine <- turn <- perspective <- zoom <- view.

    aspect: width / height that `spec.stretch` gives back to the array of height x width. All is in view pixels counted
    from the view's centre, which keeps whole pictures exact: a picture of the view's own size gets the identity.
    """
    later = spec.has_turn or spec.has_zoom
    count = _CORNERS + (len(_LATER) + 2 * _TRIES if later else 0)
    draws, more = planes(_NAMES, count, seeds, step, Stream.GEOMETRY, views)
    corners = more[:_CORNERS]
    draws |= dict(zip(_LATER, more[_CORNERS:], strict=False))
    whole = torch.arange(views, device=seeds.device) < spec.whole  # [N]
    tall, wide = unpooled(spec, height, width, aspect)
    matrix = _crop(spec, draws, whole, tall, wide, size)
    if spec.stretch:  # back to the array, which knows nothing of it
        matrix = _multiply(_rows(*_scaling(width / wide, height / tall, draws["crop"])), matrix)
    if spec.has_flip:
        sign = torch.where((draws["flip"] < spec.flip_probability) & ~whole, -1.0, 1.0)
        matrix = _multiply(matrix, _rows(sign, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    if spec.has_affine:
        matrix = _multiply(
            matrix, _inverse_affine(spec, draws, (draws["affine"] < spec.affine_probability) & ~whole, size)
        )
    if spec.has_turn:
        angle = spread(draws["turn"], math.radians(spec.turn))
        angle = torch.where((draws["turning"] < spec.turn_probability) & ~whole, angle, 0.0)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        matrix = _multiply(matrix, _rows(cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, 1.0))
    if spec.has_perspective:
        apply = (draws["perspective"] < spec.perspective_probability) & ~whole
        matrix = _multiply(matrix, _inverse_perspective(torch.where(apply, corners * spec.perspective, 0.0), size))
    if spec.has_zoom:
        tries = more[_CORNERS + len(_LATER) :]
        apply = (draws["zoom"] < spec.zoom_probability) & ~whole
        matrix = _multiply(
            matrix, _zoom(spec, draws, tries, apply, size, wide / tall if spec.frame == "picture" else 1.0)
        )
        if spec.has_perspective:
            matrix = matrix / matrix[..., 2:, 2:].clamp_min(MIN_W)  # w is 1 at the new centre
    # From the centre to the corner: p - S/2.
    origin = matrix[..., 2] - (matrix[..., 0] + matrix[..., 1]) * (0.5 * size)
    return torch.stack((matrix[..., 0], matrix[..., 1], origin), dim=-1)


def _scaling(x: float, y: float, like: Tensor) -> tuple[Tensor | float, ...]:
    return torch.full_like(like, x), 0.0, 0.0, 0.0, y, 0.0, 0.0, 0.0, 1.0


def _crop(spec: CutoutSpec, draws: Planes, whole: Tensor, height: float, width: float, size: int) -> Tensor:
    """The crop's scale and centre: centred view pixels -> source coordinates."""
    if spec.frame == "inside":
        return _inside(draws, height, width, size)
    fraction = between(draws["crop"] ** spec.crop_power, crop_range(spec, height, width, size))
    stretch = torch.exp(between(draws["aspect"], (math.log(spec.aspect[0]), math.log(spec.aspect[1]))) * 0.5)
    short = min(height, width)
    frame_width, frame_height = (short, short) if spec.frame == "square" else (width, height)
    crop_width = fraction * frame_width * stretch
    crop_height = fraction * frame_height / stretch
    # The free play of the crop, widened by the overhang; negative play moves a large crop around the picture inside it.
    if spec.resample == "lanczos":  # whole pixels, as slices are
        crop_width, crop_height = crop_width.floor().clamp_min(1.0), crop_height.floor().clamp_min(1.0)
        x = torch.floor(draws["x"] * (width - crop_width + 1.0)).minimum(width - crop_width) + 0.5 * crop_width
        y = torch.floor(draws["y"] * (height - crop_height + 1.0)).minimum(height - crop_height) + 0.5 * crop_height
    else:
        x = 0.5 * width + (draws["x"] - 0.5) * (width - crop_width * (1.0 - 2.0 * spec.overhang))
        y = 0.5 * height + (draws["y"] - 0.5) * (height - crop_height * (1.0 - 2.0 * spec.overhang))
    return _rows(
        torch.where(whole, float(width), crop_width) / size,
        0.0,
        torch.where(whole, 0.5 * width, x),
        0.0,
        torch.where(whole, float(height), crop_height) / size,
        torch.where(whole, 0.5 * height, y),
        0.0,
        0.0,
        1.0,
    )


def _inside(draws: Planes, height: float, width: float, size: int) -> Tensor:
    """A square around the whole picture, shifted as far as the largest picture inside it would have room."""
    low, high = inside_range(height, width)
    side = min(height, width) / between(draws["crop"], (low, high))
    room = 0.5 * (1.0 - high)
    across = 0.5 * width + (spread(draws["x"], room) * side if width <= height else 0.0)
    down = 0.5 * height + (spread(draws["y"], room) * side if height <= width else 0.0)
    return _rows(side / size, 0.0, across, 0.0, side / size, down, 0.0, 0.0, 1.0)


def _zoom(spec: CutoutSpec, draws: Planes, tries: Tensor, apply: Tensor, size: int, aspect: float) -> Tensor:
    """A box inside the view, whose width / height is `aspect` where it lies in the picture.

    tries: [2 * T, B, N], areas and aspects; where none fits in, the first is cut at the view's edges.
    """
    areas = between(tries[:_TRIES], spec.zoom)
    low, high = spec.zoom_aspect
    ratios = torch.exp(between(tries[_TRIES:], (math.log(low), math.log(high)))) / aspect
    wide, tall = torch.sqrt(areas * ratios), torch.sqrt(areas / ratios)  # [T, B, N]
    first = ((wide <= 1.0) & (tall <= 1.0)).to(torch.uint8).argmax(0, keepdim=True)
    wide, tall = wide.gather(0, first)[0].clamp_max(1.0), tall.gather(0, first)[0].clamp_max(1.0)
    wide, tall = torch.where(apply, wide, 1.0), torch.where(apply, tall, 1.0)
    x, y = (draws["zoom_x"] - 0.5) * (1.0 - wide) * size, (draws["zoom_y"] - 0.5) * (1.0 - tall) * size
    return _rows(wide, 0.0, x, 0.0, tall, y, 0.0, 0.0, 1.0)


def _inverse_affine(spec: CutoutSpec, draws: Planes, apply: Tensor, size: int) -> Tensor:
    """Undoes shear along x, then rotation (positive turns counter-clockwise as seen), then translation."""
    angle = torch.where(apply, spread(draws["angle"], math.radians(spec.rotation)), 0.0)
    shear = torch.where(apply, torch.tan(spread(draws["shear"], math.radians(spec.shear))), 0.0)
    x = torch.where(apply, spread(draws["shift_x"], spec.translate[0] * size), 0.0)
    y = torch.where(apply, spread(draws["shift_y"], spec.translate[1] * size), 0.0)
    # Rows point down, so counter-clockwise as seen is R = [[c, s], [-s, c]]; the inverse is K^-1 R^-1 (p - t).
    cosine, sine = torch.cos(angle), torch.sin(angle)
    a, b = cosine - shear * sine, -sine - shear * cosine
    return _rows(a, b, -(a * x + b * y), sine, cosine, -(sine * x + cosine * y), 0.0, 0.0, 1.0)


def _inverse_perspective(inwards: Tensor, size: int) -> Tensor:
    """Undoes the map of the view's corners to corners moved inwards, scaled to w = 1 at the view's centre.

    inwards: [8, B, N], fraction of half a side: x then y of the top left, top right, bottom right, bottom left corner.
    The square-to-quadrilateral map is P. Heckbert's closed form (1989); its inverse is the adjugate.
    """
    half = inwards * 0.5  # the unit square has side 1, a corner moves at most to its middle
    x0, y0 = half[0], half[1]
    x1, y1 = 1.0 - half[2], half[3]
    x2, y2 = 1.0 - half[4], 1.0 - half[5]
    x3, y3 = half[6], 1.0 - half[7]
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    det = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / det, (dx1 * sy - sx * dy1) / det
    a, b, d, e = x1 - x0 + g * x1, x3 - x0 + h * x3, y1 - y0 + g * y1, y3 - y0 + h * y3
    inverse = _rows(
        *(e - y0 * h, x0 * h - b, b * y0 - x0 * e),
        *(y0 * g - d, a - x0 * g, x0 * d - a * y0),
        *(d * h - e * g, b * g - a * h, a * e - b * d),
    )
    # From the unit square to pixels counted from the centre, on both sides: p = size * (unit - 1/2).
    side, middle = torch.full_like(det, size), torch.full_like(det, 0.5)
    to_unit = _rows(1.0 / side, 0.0, middle, 0.0, 1.0 / side, middle, 0.0, 0.0, 1.0)
    to_pixels = _rows(side, 0.0, -middle * side, 0.0, side, -middle * side, 0.0, 0.0, 1.0)
    inverse = _multiply(to_pixels, _multiply(inverse, to_unit))
    w = inverse[..., 2:, 2:]  # at the centre; 0 only if the horizon goes through it, which no convex quadrilateral has
    return inverse / torch.where(w.abs() < 1e-6, 1e-6, w)
