"""Drawing the parameters of all views of all pictures at once. It knows how views are drawn, not how they are rendered.

All arithmetic is elementwise on [B, N] planes (no batched matrix products, whose rounding may depend on the batch), so
a picture's parameters are the same bits alone and in a batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import philox
from fastclipgen.ops.cutout_spec import PRESETS, CutoutSpec, preset
from fastclipgen.ops.philox import Stream

__all__ = ["PRESETS", "CutoutParams", "CutoutSpec", "preset", "sample_cutouts"]

# Draws per view, by stream; a fixed place for each, so that switching one thing off does not move the others.
_GEOMETRY = ("crop", "x", "y", "aspect", "affine", "angle", "shear", "shift_x", "shift_y", "perspective", "flip")
_CORNERS = 8
_COLOUR = ("apply", "brightness", "contrast", "saturation", "hue")
_ERASE = ("apply", "area", "side", "aspect", "x", "y")
Planes = dict[str, Tensor]


class CutoutParams(NamedTuple):
    """What the cutouts op needs to know, for N views of each of B pictures.

    matrix [B, N, 3, 3] float32 maps homogeneous pixel centres of the view (x + 0.5, y + 0.5 in 0..S) to continuous
    source coordinates (0..W, 0..H; minus 0.5 is the array index), scaled so that w = 1 at the view's centre. Renderers
    bound w below by `MIN_W` (cutout_warp), where a strong perspective would look behind the horizon.
    colour [B, N, 4] float32: brightness, contrast, saturation factors (1 is neutral) and hue in turns (0 is neutral).
    erase [B, N, 4] float32: x0, y0, x1, y1 in view pixels, whole numbers; x0 == x1 erases nothing.
    noise_scale [B, N] float32.
    seeds int64 [B] and step key the noise: stream NOISE, cutout n, draw i for flat index i of [3, S, S].
    """

    matrix: Tensor
    colour: Tensor
    erase: Tensor
    noise_scale: Tensor
    seeds: Tensor
    step: int | Tensor
    spec: CutoutSpec
    height: int
    width: int
    size: int


def sample_cutouts(
    spec: CutoutSpec,
    seeds: Tensor,
    step: int | Tensor,
    views: int,
    height: int,
    width: int,
    size: int,
    shared_seed: int = 0,
) -> CutoutParams:
    """Draw `views` views of size x size pixels for each picture of height x width pixels.

    seeds: int64 [B]; everything returned is on its device. step: int or 0-d int64 tensor. shared_seed: a constant of
    the run that keys the offsets common to all pictures (`spec.shared_shift`), which must not depend on the batch.
    With `spec.pool` everything refers to the pooled picture of size x size pixels.
    Raises UserError for impossible sizes.
    """
    if spec.pool:
        height = width = size
    _check(spec, views, height, width, size)
    if spec.integer_shift:
        matrix = _integer_shifts(spec, seeds, step, views, height, width, size, shared_seed)
    else:
        matrix = _matrices(spec, seeds, step, views, height, width, size)
    return CutoutParams(
        matrix=matrix,
        colour=_colour(spec, seeds, step, views),
        erase=_erase(spec, seeds, step, views, size),
        noise_scale=_noise_scale(spec, seeds, step, views),
        seeds=seeds,
        step=step,
        spec=spec,
        height=height,
        width=width,
        size=size,
    )


def _check(spec: CutoutSpec, views: int, height: int, width: int, size: int) -> None:
    for name, value in (("views", views), ("height", height), ("width", width), ("size", size)):
        if value < 1:
            raise UserError(f"cutouts: {name} must be 1 or more, got {value}")
    if spec.whole > views:
        raise UserError(
            f"cutouts: whole = {spec.whole} asks for more than the {views} views there are; raise the views"
        )
    if spec.integer_shift and size > min(height, width):
        raise UserError(
            f"cutouts: exact crops (integer_shift) of {size} x {size} pixels need a picture at least that large, "
            f"got {width} x {height} (width x height); make the picture or its margin larger, or choose another preset"
        )


def _planes(names: tuple[str, ...], extra: int, seeds: Tensor, step: int | Tensor, stream: Stream, views: int):
    """Uniform draws as contiguous [B, N] planes by name, and `extra` unnamed ones [extra, B, N]."""
    # Contiguous planes, because a strided tensor may take another code path with another last bit in sin, log, ...
    draws = philox.uniforms(seeds, step, stream, len(names) + extra, views).movedim(-1, 0).contiguous()
    return dict(zip(names, draws[: len(names)].unbind(0), strict=True)), draws[len(names) :]


def _between(u: Tensor, bounds: tuple[float, float]) -> Tensor:
    return bounds[0] + u * (bounds[1] - bounds[0])


def _spread(u: Tensor, amount: float) -> Tensor:
    """u in [0, 1) to [-amount, amount)."""
    return (2.0 * u - 1.0) * amount


def _rows(*entries: Tensor | float) -> Tensor:
    """Nine [B, N] planes or numbers to [B, N, 3, 3]."""
    like = next(e for e in entries if isinstance(e, Tensor))
    planes = [e if isinstance(e, Tensor) else torch.full_like(like, e) for e in entries]
    return torch.stack(planes, dim=-1).unflatten(-1, (3, 3))


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """3x3 products in a fixed order of additions; see the module docstring."""
    return a[..., :, :1] * b[..., :1, :] + a[..., :, 1:2] * b[..., 1:2, :] + a[..., :, 2:] * b[..., 2:, :]


def _integer_shifts(
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


def _matrices(
    spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int, height: int, width: int, size: int
) -> Tensor:
    """Source <- crop <- flip <- affine <- perspective <- view, in view pixels counted from the view's centre.

    Counting pixels from the centre keeps whole pictures exact: a picture of the view's own size gets the identity.
    """
    draws, corners = _planes(_GEOMETRY, _CORNERS, seeds, step, Stream.GEOMETRY, views)
    whole = torch.arange(views, device=seeds.device) < spec.whole  # [N]
    matrix = _crop(spec, draws, whole, height, width, size)
    if spec.has_flip:
        sign = torch.where((draws["flip"] < spec.flip_probability) & ~whole, -1.0, 1.0)
        matrix = _multiply(matrix, _rows(sign, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    if spec.has_affine:
        matrix = _multiply(
            matrix, _inverse_affine(spec, draws, (draws["affine"] < spec.affine_probability) & ~whole, size)
        )
    if spec.has_perspective:
        apply = (draws["perspective"] < spec.perspective_probability) & ~whole
        matrix = _multiply(matrix, _inverse_perspective(torch.where(apply, corners * spec.perspective, 0.0), size))
    # From the centre to the corner: p - S/2.
    origin = matrix[..., 2] - (matrix[..., 0] + matrix[..., 1]) * (0.5 * size)
    return torch.stack((matrix[..., 0], matrix[..., 1], origin), dim=-1)


def _crop(spec: CutoutSpec, draws: Planes, whole: Tensor, height: int, width: int, size: int) -> Tensor:
    """The crop's scale and centre: centred view pixels -> source coordinates."""
    fraction = _between(draws["crop"] ** spec.crop_power, spec.crop)
    stretch = torch.exp(_between(draws["aspect"], (math.log(spec.aspect[0]), math.log(spec.aspect[1]))) * 0.5)
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


def _inverse_affine(spec: CutoutSpec, draws: Planes, apply: Tensor, size: int) -> Tensor:
    """Undoes shear along x, then rotation (positive turns counter-clockwise as seen), then translation."""
    angle = torch.where(apply, _spread(draws["angle"], math.radians(spec.rotation)), 0.0)
    shear = torch.where(apply, torch.tan(_spread(draws["shear"], math.radians(spec.shear))), 0.0)
    x = torch.where(apply, _spread(draws["shift_x"], spec.translate[0] * size), 0.0)
    y = torch.where(apply, _spread(draws["shift_y"], spec.translate[1] * size), 0.0)
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


def _colour(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int) -> Tensor:
    """[B, N, 4] factors; neutral where colour jitter does not apply."""
    if not spec.has_colour:
        neutral = torch.ones(len(seeds), views, 4, device=seeds.device)
        neutral[..., 3] = 0.0
        return neutral
    draws, _ = _planes(_COLOUR, 0, seeds, step, Stream.COLOUR, views)
    apply = draws["apply"] < spec.colour_probability
    amounts = {name: torch.where(apply, _spread(draws[name], getattr(spec, name)), 0.0) for name in _COLOUR[1:]}
    return torch.stack(
        (1.0 + amounts["brightness"], 1.0 + amounts["contrast"], 1.0 + amounts["saturation"], amounts["hue"]), dim=-1
    )


def _erase(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int, size: int) -> Tensor:
    """[B, N, 4] boxes of whole view pixels, sides rounded and bounded by the view, as kornia's random erasing."""
    if not spec.has_erasing:
        return torch.zeros(len(seeds), views, 4, device=seeds.device)
    draws, _ = _planes(_ERASE, 0, seeds, step, Stream.ERASE, 1 if spec.erase_shared else views)
    low, high = spec.erase_aspect
    aspect = _between(draws["aspect"], (low, high))
    if low < 1.0 < high:
        tall = draws["side"] < 0.5
        aspect = torch.where(tall, _between(draws["aspect"], (1.0, high)), _between(draws["aspect"], (low, 1.0)))
    area = _between(draws["area"], spec.erase_area) * size**2
    height = torch.sqrt(area * aspect).round().clamp(0, size)
    width = torch.sqrt(area / aspect).round().clamp(0, size)
    apply = draws["apply"] < spec.erase_probability
    x = torch.floor(draws["x"] * (size - width + 1.0)).minimum(size - width)
    y = torch.floor(draws["y"] * (size - height + 1.0)).minimum(size - height)
    box = torch.stack((x, y, x + width, y + height), dim=-1)
    return torch.where(apply[..., None], box, 0.0).expand(-1, views, -1)


def _noise_scale(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int) -> Tensor:
    """[B, N], 0 where there is no noise."""
    low, high = spec.noise_scale if spec.has_noise else (0.0, 0.0)
    if low == high:
        return torch.full((len(seeds), views), low, device=seeds.device)
    return _between(philox.uniforms(seeds, step, Stream.NOISE_SCALE, 1, views)[..., 0], (low, high))
