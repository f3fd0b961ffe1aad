"""Cutouts in Triton: the twin of csrc/cuda/cutouts.h, for machines without nvcc. Same arguments as
fastclipgen/ops/cutout_kernels_cuda.py; nothing waits for the device, and everything is on the current stream.

What a launch does is decided by constants: every spec and size is compiled once. Under TRITON_INTERPRET=1 it runs on
CPU tensors, which is how it is tested without a GPU.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# (the language of kernels is not Python: constants are tl.constexpr, and launches add arguments)
from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import cutout_gradients
from .cutout_colour import jitter, unit_range
from .cutout_tile import pixels_of, sample, scaled_noise, tile_of
from .cutout_view import erased, level_start, surroundings, view_offset

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# Products and sums stay apart, so that the geometry of a view has the same bits as in every other backend.
_OPTIONS: dict[str, Any] = {"enable_fp_fusion": False, "num_warps": 4}


@triton.jit
def _halve_kernel(
    fine, stride_b, stride_c, stride_y, stride_x, coarse, coarse_b,
    FINE_HEIGHT: tl.constexpr, FINE_WIDTH: tl.constexpr,
):  # fmt: skip
    """One tile of one channel of a mip level: means of 2x2; rows and columns left over are averaged alone."""
    height: tl.constexpr = (FINE_HEIGHT + 1) // 2
    width: tl.constexpr = (FINE_WIDTH + 1) // 2
    number, x0, y0 = tile_of(height, width)  # of the plane
    batch, channel = number // 3, number % 3
    x, y = pixels_of(x0, y0)
    live = (x < width) & (y < height)
    right, below = live & (2 * x + 1 < FINE_WIDTH), live & (2 * y + 1 < FINE_HEIGHT)
    at = fine + batch * stride_b + channel * stride_c
    at += 2 * (y.to(tl.int64) * stride_y + x.to(tl.int64) * stride_x)
    total = tl.load(at, mask=live, other=0.0).to(tl.float32)
    total += tl.load(at + stride_x, mask=right, other=0.0).to(tl.float32)
    total += tl.load(at + stride_y, mask=below, other=0.0).to(tl.float32)
    total += tl.load(at + stride_y + stride_x, mask=right & below, other=0.0).to(tl.float32)
    total *= tl.where(right, 0.5, 1.0) * tl.where(below, 0.5, 1.0)
    tl.store(coarse + batch * coarse_b + channel * (height * width) + y * width + x, total, mask=live)


@triton.jit
def _forward_kernel(
    picture, stride_b, stride_c, stride_y, stride_x, pyramid, views,
    matrix, colour, erase, noise_scale, around, seeds, step,
    fill_r, fill_g, fill_b, mean_r, mean_g, mean_b, std_r, std_g, std_b,
    VIEWS: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr, PATCH: tl.constexpr,
    LOW: tl.constexpr, HIGH: tl.constexpr, PADDING: tl.constexpr, NOISE: tl.constexpr,
    EXACT: tl.constexpr, PERSPECTIVE: tl.constexpr, LIGHT: tl.constexpr, SATURATION: tl.constexpr, HUE: tl.constexpr,
    ERASING: tl.constexpr, CLAMP: tl.constexpr,
):  # fmt: skip
    """One tile of a view."""
    number, x0, y0 = tile_of(SIZE, SIZE)
    batch = number // VIEWS
    x, y = pixels_of(x0, y0)
    live = (x < SIZE) & (y < SIZE)
    padding, fill_r, fill_g, fill_b = surroundings(around + 4 * number, fill_r, fill_g, fill_b, PADDING)
    r, g, b = sample(
        picture + batch * stride_b, stride_c, stride_y, stride_x,
        pyramid + batch * level_start(HEIGHT, WIDTH, 1, HIGH + 1), matrix + 9 * number, x, y, live,
        padding, fill_r, fill_g, fill_b,
        HEIGHT, WIDTH, SIZE, LOW, HIGH, PADDING, EXACT, PERSPECTIVE,
    )  # fmt: skip
    r, g, b = jitter(r, g, b, colour + 4 * number, LIGHT, SATURATION, HUE)
    if ERASING:
        blank = erased(erase + 4 * number, x, y)
        r, g, b = tl.where(blank, 0.0, r), tl.where(blank, 0.0, g), tl.where(blank, 0.0, b)
    noise_r, noise_g, noise_b = scaled_noise(
        tl.load(noise_scale + number), tl.load(seeds + batch), tl.load(step), number % VIEWS, x0, y0,
        SIZE, NOISE, SIZE % 4 == 0,
    )  # fmt: skip
    r, g, b = r + noise_r, g + noise_g, b + noise_b
    if CLAMP:
        r, g, b = unit_range(r), unit_range(g), unit_range(b)
    views += number * (3 * SIZE * SIZE)
    for channel in tl.static_range(3):
        value = r if channel == 0 else (g if channel == 1 else b)
        mean = mean_r if channel == 0 else (mean_g if channel == 1 else mean_b)
        std = std_r if channel == 0 else (std_g if channel == 1 else std_b)
        value = (value - tl.cast(mean, tl.float32)) / tl.cast(std, tl.float32)
        tl.store(views + view_offset(channel, x, y, SIZE, PATCH), value, mask=live)


def forward(
    images: Tensor, arrays: list[Tensor], step: Tensor, whole: list[int], real: list[float], views: Tensor
) -> None:
    constants = _constants(whole)
    if not views.numel():
        return
    with torch.cuda.device_of(images):
        pyramid = _pyramid(images, constants)
        _forward_kernel[_grid(views.shape[0], constants["SIZE"], constants["SIZE"])](
            images, *images.stride(), pyramid, views, *arrays, step, *real, **constants, **_OPTIONS
        )


def backward(
    grad: Tensor,
    images: Tensor,
    arrays: list[Tensor],
    step: Tensor,
    whole: list[int],
    real: list[float],
    deterministic: bool,
    out: Tensor,
) -> None:
    constants = _constants(whole)
    if not out.numel():
        return
    picture, std = (images, *images.stride()), real[6:]
    with torch.cuda.device_of(images):
        if constants["EXACT"]:
            for name in ("LOW", "HIGH", "PADDING", "EXACT", "PERSPECTIVE"):
                del constants[name]
            grid = _grid(images.shape[0], *images.shape[2:])
            cutout_gradients.gather_kernel[grid](*picture, grad, out, *arrays, step, *std, **constants, **_OPTIONS)
        else:
            _scatter(picture, grad, [*arrays, step, *real[:3], *std], constants, deterministic, out)


def _scatter(
    picture: tuple, grad: Tensor, rest: list, constants: dict[str, int], deterministic: bool, out: Tensor
) -> None:
    images = picture[0]
    sizes = {name: constants[name] for name in ("HEIGHT", "WIDTH", "LOW", "HIGH")}
    pyramid = _pyramid(images, constants)
    numbers = sum(3 * h * w for h, w in _levels(constants)[constants["LOW"] :])
    sums = images.new_zeros(images.shape[0] * numbers, dtype=torch.int64 if deterministic else torch.float32)
    largest = images.new_zeros(images.shape[0], dtype=torch.int32)
    bound = {"COUNT_EXPONENT": (constants["VIEWS"] * constants["SIZE"] ** 2).bit_length()}
    gradients = cutout_gradients
    for mode in (gradients.LARGEST, gradients.INTEGERS) if deterministic else (gradients.FLOATS,):
        gradients.scatter_kernel[_grid(grad.shape[0], constants["SIZE"], constants["SIZE"])](
            *picture, pyramid, grad, sums, largest, *rest, MODE=mode, **bound, **constants, **_OPTIONS
        )
    gradients.fold_kernel[_grid(3 * images.shape[0], *images.shape[2:])](
        sums, largest, out, INTEGER=deterministic, **bound, **sizes, **_OPTIONS
    )


def _constants(whole: list[int]) -> dict[str, int]:
    """`whole` of fastclipgen/ops/cutout_kernels.plan as the kernels' constants."""
    names = "VIEWS HEIGHT WIDTH SIZE PATCH LOW HIGH PADDING NOISE EXACT PERSPECTIVE LIGHT SATURATION HUE ERASING CLAMP"
    return dict(zip(names.split(), whole[1:], strict=True))


def _grid(planes: int, height: int, width: int) -> tuple[int]:
    return (planes * triton.cdiv(width, 32) * triton.cdiv(height, 8),)


def _levels(constants: dict[str, int]) -> list[tuple[int, int]]:
    """Height and width of the mip levels up to the highest that is read."""
    height, width = constants["HEIGHT"] - 1, constants["WIDTH"] - 1
    return [((height >> k) + 1, (width >> k) + 1) for k in range(constants["HIGH"] + 1)]


def _pyramid(images: Tensor, constants: dict[str, int]) -> Tensor:
    """The mip levels from 1 on, [B, numbers] float32, each level [3, h, w]; a launch makes one."""
    levels = _levels(constants)
    numbers = sum(3 * h * w for h, w in levels[1:])
    pyramid = images.new_empty((images.shape[0], numbers), dtype=torch.float32)
    fine, start = images, 0
    for (fine_height, fine_width), (height, width) in pairwise(levels):
        coarse = pyramid[:, start : start + 3 * height * width].unflatten(1, (3, height, width))
        _halve_kernel[_grid(3 * images.shape[0], height, width)](
            fine, *fine.stride(), coarse, numbers, FINE_HEIGHT=fine_height, FINE_WIDTH=fine_width, **_OPTIONS
        )
        fine, start = coarse, start + 3 * height * width
    return pyramid
