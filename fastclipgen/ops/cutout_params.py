"""Drawing the parameters of all views of all pictures at once. It knows how views are drawn, not how they are rendered.

A picture's parameters are the same bits alone and in a batch. The matrices are made in cutout_geometry.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import philox
from fastclipgen.ops.cutout_draws import between, planes, spread
from fastclipgen.ops.cutout_geometry import integer_shifts, view_matrices
from fastclipgen.ops.cutout_mix import AnySpec, CutoutMix
from fastclipgen.ops.cutout_presets import PRESETS, preset
from fastclipgen.ops.cutout_spec import PADDINGS, CutoutSpec
from fastclipgen.ops.philox import Stream

__all__ = ["PRESETS", "AnySpec", "CutoutMix", "CutoutParams", "CutoutSpec", "preset", "sample_cutouts"]

# Draws per view, by stream; a fixed place for each, so that switching one thing off does not move the others.
_COLOUR = ("apply", "brightness", "contrast", "saturation", "hue")
_ERASE = ("apply", "area", "side", "aspect", "x", "y")
_SHARPNESS = ("sharpening", "sharpness")  # after those of colour
_GREY = len(_ERASE)  # after those of erasing


class CutoutParams(NamedTuple):
    """What the cutouts op needs to know, for N views of each of B pictures.

    matrix [B, N, 3, 3] float32 maps homogeneous pixel centres of the view (x + 0.5, y + 0.5 in 0..S) to continuous
    source coordinates (0..W, 0..H; minus 0.5 is the array index), scaled so that w = 1 at the view's centre. Renderers
    bound w below by `MIN_W` (cutout_geometry), where a strong perspective would look behind the horizon.
    colour [B, N, 4] float32: brightness, contrast, saturation factors (1 is neutral) and hue in turns (0 is neutral).
    erase [B, N, 4] float32: x0, y0, x1, y1 in view pixels, whole numbers; x0 == x1 erases nothing.
    noise_scale [B, N] float32.
    seeds int64 [B] and step key the noise: stream NOISE, cutout n, draw i for flat index i of [3, S, S].
    aspect: width / height that `spec.stretch` gives back to pooled pictures.
    around [B, N, 4] float32: index in PADDINGS, then the colour outside (0 but for "colour"), where these are not the
    same for all views; else None.
    sharpness [B, N] float32, where 1 leaves a view as it is, if the spec has that stage; else None.
    """

    matrix: Tensor
    colour: Tensor
    erase: Tensor
    noise_scale: Tensor
    seeds: Tensor
    step: int | Tensor
    spec: AnySpec
    height: int
    width: int
    size: int
    aspect: float = 1.0
    around: Tensor | None = None
    sharpness: Tensor | None = None


def sample_cutouts(
    spec: AnySpec,
    seeds: Tensor,
    step: int | Tensor,
    views: int,
    height: int,
    width: int,
    size: int,
    shared_seed: int = 0,
    turn: int | Tensor | None = None,
) -> CutoutParams:
    """Draw `views` views of size x size pixels for each picture of height x width pixels.

    seeds: int64 [B]; everything returned is on its device. step: int or 0-d int64 tensor. shared_seed: a constant of
    the run that keys the offsets common to all pictures (`spec.shared_shift`), which must not depend on the batch.
    turn: like step, where what alternates from step to step (padding "alternate") goes by another number.
    With `spec.pool` or `spec.bilinear` everything refers to the picture brought to size x size pixels.
    Raises UserError for impossible sizes.
    """
    aspect = width / height
    if spec.shrinks:
        height = width = size
    parts = spec.parts(views)
    for part, _, _ in parts:
        _check(part, views, height, width, size)

    def joined(draw: Callable[[CutoutSpec], Tensor]) -> Tensor:
        """What each part draws for its views."""
        pieces = [draw(part)[:, first:end] for part, first, end in parts]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 1)

    def matrix(part: CutoutSpec) -> Tensor:
        if part.integer_shift:
            return integer_shifts(part, seeds, step, views, height, width, size, shared_seed)
        return view_matrices(part, seeds, step, views, height, width, size, aspect)

    differ, sharp = _padding_differs(spec), spec.has_sharpness
    turn = step if turn is None else turn
    return CutoutParams(
        matrix=joined(matrix),
        colour=joined(lambda part: _colour(part, seeds, step, views)),
        erase=joined(lambda part: _erase(part, seeds, step, views, size)),
        noise_scale=joined(lambda part: _noise_scale(part, seeds, step, views)),
        seeds=seeds,
        step=step,
        spec=spec,
        height=height,
        width=width,
        size=size,
        aspect=aspect,
        around=joined(lambda part: _around(part, seeds, step, turn, views)) if differ else None,
        sharpness=joined(lambda part: _sharpness(part, seeds, step, views)) if sharp else None,
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


def _colour(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int) -> Tensor:
    """[B, N, 4] factors; neutral where colour jitter does not apply."""
    if not spec.has_colour:
        neutral = torch.ones(len(seeds), views, 4, device=seeds.device)
        neutral[..., 3] = 0.0
        return neutral
    draws, _ = planes(_COLOUR, 0, seeds, step, Stream.COLOUR, views)
    apply = draws["apply"] < spec.colour_probability
    amounts = {name: torch.where(apply, spread(draws[name], getattr(spec, name)), 0.0) for name in _COLOUR[1:]}
    return torch.stack(
        (1.0 + amounts["brightness"], 1.0 + amounts["contrast"], 1.0 + amounts["saturation"], amounts["hue"]), dim=-1
    )


def _erase(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int, size: int) -> Tensor:
    """[B, N, 4] boxes of whole view pixels, sides rounded and bounded by the view, as kornia's random erasing."""
    if not spec.has_erasing:
        return torch.zeros(len(seeds), views, 4, device=seeds.device)
    draws, _ = planes(_ERASE, 0, seeds, step, Stream.ERASE, 1 if spec.erase_shared else views)
    low, high = spec.erase_aspect
    aspect = between(draws["aspect"], (low, high))
    if low < 1.0 < high:
        tall = draws["side"] < 0.5
        aspect = torch.where(tall, between(draws["aspect"], (1.0, high)), between(draws["aspect"], (low, 1.0)))
    area = between(draws["area"], spec.erase_area) * size**2
    height = torch.sqrt(area * aspect).round().clamp(0, size)
    width = torch.sqrt(area / aspect).round().clamp(0, size)
    apply = draws["apply"] < spec.erase_probability
    x = torch.floor(draws["x"] * (size - width + 1.0)).minimum(size - width)
    y = torch.floor(draws["y"] * (size - height + 1.0)).minimum(size - height)
    box = torch.stack((x, y, x + width, y + height), dim=-1)
    return torch.where(apply[..., None], box, 0.0).expand(-1, views, -1)


def _padding_differs(spec: AnySpec) -> bool:
    """Whether views have paddings of their own."""
    kinds = {(part.padding, part.fill if part.padding == "colour" else None) for part, _, _ in spec.parts(0)}
    return len(kinds) > 1 or not all(kind in PADDINGS for kind, _ in kinds)


def _around(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, turn: int | Tensor, views: int) -> Tensor:
    """[B, N, 4]: which padding, and its colour."""
    colour = spec.fill if spec.padding == "colour" else (0.0, 0.0, 0.0)
    fill = [torch.full((len(seeds), 1), value, device=seeds.device) for value in colour]
    if spec.padding == "alternate":
        even, odd = PADDINGS.index("reflection"), PADDINGS.index("border")
        kind = torch.zeros_like(fill[0]) + even + turn % 2 * (odd - even)
    else:
        name = "colour" if spec.padding == "grey" else spec.padding
        kind = torch.full_like(fill[0], PADDINGS.index(name))
    if spec.padding == "grey":
        fill = [philox.uniforms(seeds, step, Stream.ERASE, _GREY + 1)[:, :, _GREY]] * 3
    return torch.stack((kind, *fill), dim=-1).expand(-1, views, -1)


def _sharpness(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int) -> Tensor:
    """[B, N] factors; 1 where views stay as they are."""
    if not spec.has_sharpness:
        return torch.ones(len(seeds), views, device=seeds.device)
    draws, _ = planes((*_COLOUR, *_SHARPNESS), 0, seeds, step, Stream.COLOUR, views)
    return torch.where(draws["sharpening"] < spec.sharpness_probability, draws["sharpness"] * spec.sharpness, 1.0)


def _noise_scale(spec: CutoutSpec, seeds: Tensor, step: int | Tensor, views: int) -> Tensor:
    """[B, N], 0 where there is no noise. Two normal noises are one, of the root of the sum of their variances."""
    low, high = spec.noise_scale if spec.has_noise else (0.0, 0.0)
    if spec.has_grain:
        draws = philox.uniforms(seeds, step, Stream.NOISE_SCALE, 2, views)
        scale = between(draws[..., 0], (low, high))
        return torch.where(
            draws[..., 1] < spec.grain_probability, torch.hypot(scale, torch.full_like(scale, spec.grain)), scale
        )
    if low == high:
        return torch.full((len(seeds), views), low, device=seeds.device)
    return between(philox.uniforms(seeds, step, Stream.NOISE_SCALE, 1, views)[..., 0], (low, high))
