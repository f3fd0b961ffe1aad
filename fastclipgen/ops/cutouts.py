"""The cutouts op: pictures to the normalised, augmented views that a perceptor sees.

Warp, colour, sharpen, erase, noise, clamp, normalise. It draws no geometry (`cutout_params` does) and knows no
perceptor. Here are the public function and the reference in plain torch, which runs on any device and differentiates
with respect to the pictures; `cutout_kernels` has the compiled backends.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import cutout_kernels, library, philox
from fastclipgen.ops.colour import brightness_contrast, scale_saturation, to_unit_range, turn_hue
from fastclipgen.ops.cutout_params import (
    PRESETS,
    AnySpec,
    CutoutMix,
    CutoutParams,
    CutoutSpec,
    preset,
    sample_cutouts,
)
from fastclipgen.ops.cutout_resample import bilinear, lanczos_crops, pooled
from fastclipgen.ops.cutout_sharpness import sharpen
from fastclipgen.ops.cutout_warp import warp
from fastclipgen.ops.philox import Stream

__all__ = ["PRESETS", "AnySpec", "CutoutMix", "CutoutParams", "CutoutSpec", "cutouts", "preset", "sample_cutouts"]

_ZERO, _ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_HALF = (0.5, 0.5, 0.5)


def cutouts(
    images: Tensor,
    params: CutoutParams,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    deterministic: bool = False,
    patch: int = 0,
) -> Tensor:
    """The views of each picture, ready for a perceptor.

    images: float [B, 3, H, W] in 0..1, any strides. params: from `sample_cutouts` for these B, H, W and `size`.
    mean, std: three numbers each (0 and 1 leave views in 0..1); of `spec.signed` views both are one half.
    dtype: of the result; arithmetic is in float32, or in
    float64 (always by the reference) for such pictures.
    deterministic: the backward adds in a fixed order on every device; slower on GPUs, equal up to rounding.
    patch: 0, or the side p of the square patches that a vision transformer cuts views into.
    Returns [B*N, 3, size, size], or with patches [B*N, (size/p)**2, 3*p*p] (patches row by row; in each, channel, row,
    column); view n of picture b at row b*N + n. Raises UserError for shapes that do not match.
    """
    if params.spec.shrinks:
        images = pooled(images, size) if params.spec.pool else bilinear(images, size)
    _check(images, params, size, mean, std, patch)
    if params.spec.signed:
        mean = std = _HALF
    # two matrix products are what torch does best, so there is no kernel for Lanczos crops
    plain = images.dtype == torch.float64 or params.spec.resample == "lanczos"
    backend = "reference" if plain else library.choose("cutouts", images.device)
    if backend != "reference" and params.sharpness is not None:
        # what comes before sharpness in one pass, what comes after it in plain torch
        views = cutout_kernels.render(images, params, _ZERO, _ONE, torch.float32, 0, deterministic, backend, False)
        return _finished(_sharpened(views, params), params, mean, std, dtype, patch)
    if backend != "reference":
        return cutout_kernels.render(images, params, mean, std, dtype, patch, deterministic, backend)
    return reference_cutouts(images, params, mean, std, dtype, deterministic, patch)


def reference_cutouts(
    images: Tensor,
    params: CutoutParams,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    deterministic: bool = False,
    patch: int = 0,
) -> Tensor:
    """`cutouts` in plain torch, without the checks and what brings whole pictures to a size; by this mean and std."""
    if images.dtype in (torch.float16, torch.bfloat16):
        images = images.to(torch.float32)
    lanczos = params.spec.resample == "lanczos"
    views = lanczos_crops(images, params) if lanczos else warp(images, params, deterministic)
    views = views.movedim(2, 1).flatten(0, 1)  # [B*N, 3, S, S]
    if params.spec.has_colour:
        views = _colour(views, params.spec, params.colour.flatten(0, 1).to(images.dtype))
    if params.sharpness is not None:
        views = _sharpened(views, params)
    return _finished(views, params, mean, std, dtype, patch)


def _finished(
    views: Tensor, params: CutoutParams, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype, patch: int
) -> Tensor:
    """Views [B*N, 3, S, S] through the stages after colour and sharpness."""
    spec = params.spec
    if spec.has_erasing:
        views = _erase(views, params.erase.flatten(0, 1))
    if spec.has_noise:
        views = views + _noise(params).to(views.dtype)
    if spec.clamp:
        views = to_unit_range(views)
    views = _normalise(views, mean, std).to(dtype)
    return _patches(views, patch) if patch else views


def _sharpened(views: Tensor, params: CutoutParams) -> Tensor:
    assert params.sharpness is not None
    return sharpen(views, params.sharpness.flatten().to(views.dtype))


def _colour(views: Tensor, spec: AnySpec, factors: Tensor) -> Tensor:
    if spec.has_light:
        views = brightness_contrast(views, factors[:, 0], factors[:, 1])
    if spec.has_saturation:
        views = scale_saturation(views, factors[:, 2])
    return turn_hue(views, factors[:, 3]) if spec.has_hue else views


def _erase(views: Tensor, boxes: Tensor) -> Tensor:
    """Zeros inside each view's box; boxes [M, 4] in pixels."""
    place = torch.arange(views.shape[-1], device=views.device)
    x0, y0, x1, y1 = boxes[:, :, None].unbind(1)  # [M, 1] each
    columns, rows = (place >= x0) & (place < x1), (place >= y0) & (place < y1)  # [M, S]
    return torch.where((rows[:, None, :, None] & columns[:, None, None, :]), 0.0, views)


def _noise(params: CutoutParams) -> Tensor:
    """[B*N, 3, S, S] float32 noise, scaled per view; drawn per pixel in the order of [3, S, S]."""
    draw = philox.normals if params.spec.noise == "normal" else philox.uniforms
    views = params.matrix.shape[1]
    noise = draw(params.seeds, params.step, Stream.NOISE, 3 * params.size**2, views)  # [B, N, 3*S*S]
    return (noise * params.noise_scale[..., None]).unflatten(-1, (3, params.size, params.size)).flatten(0, 1)


def _normalise(views: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    return (views - _channels(mean, views)) / _channels(std, views)


def _channels(values: Sequence[float], like: Tensor) -> Tensor:
    """Three numbers as [3, 1, 1], filled on the device: a copy from the host would wait for it."""
    return torch.stack([like.new_full((), value) for value in values])[:, None, None]


def _patches(views: Tensor, side: int) -> Tensor:
    """[M, 3, S, S] to [M, (S/p)**2, 3*p*p]."""
    cells = views.unflatten(3, (-1, side)).unflatten(2, (-1, side))  # [M, 3, rows, p, columns, p]
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def _check(
    images: Tensor, params: CutoutParams, size: int, mean: Sequence[float], std: Sequence[float], patch: int
) -> None:
    expected = (params.matrix.shape[0], 3, params.height, params.width)
    if tuple(images.shape) != expected:
        raise UserError(
            f"cutouts: the parameters were drawn for pictures of shape {list(expected)} (B, 3, H, W), "
            f"got {list(images.shape)}; draw them anew for these pictures"
        )
    if not images.is_floating_point():
        raise UserError(f"cutouts: pictures must be of a float type, in 0..1, got {images.dtype}; convert them")
    if size != params.size:
        raise UserError(f"cutouts: the parameters were drawn for views of {params.size} pixels, asked for {size}")
    if images.device != params.matrix.device:
        raise UserError(
            f"cutouts: pictures are on {images.device} and the parameters on {params.matrix.device}; "
            "put the seeds on the pictures' device"
        )
    if patch < 0 or (patch and size % patch):
        raise UserError(
            f"cutouts: patches of {patch} pixels do not divide views of {size}; ask for a divisor, or for 0"
        )
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != 3:
            raise UserError(f"cutouts: {name} must be three numbers, one per colour channel, got {len(values)}")
