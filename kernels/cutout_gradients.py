"""The gradient of cutouts in Triton: views' gradients scattered to the mip levels, which are then folded into one
picture; or, for whole-pixel crops, gathered without any sums in memory. cutouts.py calls these kernels.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# (the language of kernels is not Python: constants are tl.constexpr, and launches add arguments)
from __future__ import annotations

import triton
import triton.language as tl

from .cutout_tile import PIXELS, gradient_through, load_rgb, pixels_of, sample, scaled_noise, tile_of
from .cutout_view import level_share, level_start, source_point, surroundings, taps, view_level, view_offset

# What `scatter_kernel` does: adds to float sums; finds the largest |gradient| of each picture; adds to integer sums.
FLOATS, LARGEST, INTEGERS = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
_INFINITY = tl.constexpr(0x7F800000)  # its bits: larger ones are NaNs


@triton.jit
def _load_gradient(grads, plane, at, live, std_r, std_g, std_b):
    """The gradient before normalisation."""
    r, g, b = load_rgb(grads, plane, at, live)
    return r / tl.cast(std_r, tl.float32), g / tl.cast(std_g, tl.float32), b / tl.cast(std_b, tl.float32)


@triton.jit
def _fixed_exponent(largest, COUNT_EXPONENT: tl.constexpr):
    """Integer sums count in 2^-exponent; fixed_exponent of csrc/cuda/cutout_pyramid.h."""
    exponent = 62 - COUNT_EXPONENT - ((largest >> 23) - 126)
    return tl.minimum(tl.maximum(exponent, -126), 126)


@triton.jit
def _power_of_two(exponent):
    return ((exponent + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def _add(sums, at, value, weight, unit, live, INTEGER: tl.constexpr):
    some = live & (weight != 0.0)
    if INTEGER:
        tl.atomic_add(sums + at, tl.floor(value * weight * unit + 0.5).to(tl.int64), mask=some, sem="relaxed")
    else:
        tl.atomic_add(sums + at, value * weight, mask=some, sem="relaxed")


@triton.jit
def scatter_kernel(
    picture, stride_b, stride_c, stride_y, stride_x, pyramid, grads, sums, largest,
    matrix, colour, erase, noise_scale, around, seeds, step, fill_r, fill_g, fill_b, std_r, std_g, std_b,
    MODE: tl.constexpr, COUNT_EXPONENT: tl.constexpr, VIEWS: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr, PATCH: tl.constexpr,
    LOW: tl.constexpr, HIGH: tl.constexpr, PADDING: tl.constexpr, NOISE: tl.constexpr,
    EXACT: tl.constexpr, PERSPECTIVE: tl.constexpr, LIGHT: tl.constexpr, SATURATION: tl.constexpr, HUE: tl.constexpr,
    ERASING: tl.constexpr, CLAMP: tl.constexpr,
):  # fmt: skip
    """One tile of a view: what its pixels were read from gets their gradients."""
    number, x0, y0 = tile_of(SIZE, SIZE)
    batch = number // VIEWS
    x, y = pixels_of(x0, y0)
    live = (x < SIZE) & (y < SIZE)
    step_of = view_offset(1, 0, 0, SIZE, PATCH)  # from channel to channel
    at = number * (3 * SIZE * SIZE) + view_offset(0, x, y, SIZE, PATCH)
    grad_r, grad_g, grad_b = _load_gradient(grads, step_of, at, live, std_r, std_g, std_b)
    matrix += 9 * number
    padding, fill_r, fill_g, fill_b = surroundings(around + 4 * number, fill_r, fill_g, fill_b, PADDING)
    if LIGHT or SATURATION or HUE or ERASING or CLAMP:
        r, g, b = tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32)
        if LIGHT or SATURATION or HUE or CLAMP:
            r, g, b = sample(
                picture + batch * stride_b, stride_c, stride_y, stride_x,
                pyramid + batch * level_start(HEIGHT, WIDTH, 1, HIGH + 1), matrix, x, y, live,
                padding, fill_r, fill_g, fill_b,
                HEIGHT, WIDTH, SIZE, LOW, HIGH, PADDING, EXACT, PERSPECTIVE,
            )  # fmt: skip
        noise_r, noise_g, noise_b = scaled_noise(
            tl.load(noise_scale + number), tl.load(seeds + batch), tl.load(step), number % VIEWS, x0, y0,
            SIZE, NOISE if CLAMP else 0, SIZE % 4 == 0,
        )  # fmt: skip
        grad_r, grad_g, grad_b = gradient_through(
            r, g, b, noise_r, noise_g, noise_b, grad_r, grad_g, grad_b, colour + 4 * number, erase + 4 * number, x, y,
            LIGHT, SATURATION, HUE, ERASING, CLAMP,
        )  # fmt: skip
    if MODE == LARGEST:
        # As integers, floats without sign are in order, and infinities and NaNs come last.
        bits_r, bits_g = tl.abs(grad_r).to(tl.int32, bitcast=True), tl.abs(grad_g).to(tl.int32, bitcast=True)
        bits = tl.maximum(tl.maximum(bits_r, bits_g), tl.abs(grad_b).to(tl.int32, bitcast=True))
        tl.atomic_max(largest + batch, tl.max(tl.where(live, bits, 0)), sem="relaxed")
    else:
        unit = 1.0
        if MODE == INTEGERS:
            bits = tl.load(largest + batch)
            live = live & (x * 0 + bits < _INFINITY)
            unit = _power_of_two(_fixed_exponent(tl.minimum(bits, _INFINITY - 1), COUNT_EXPONENT))
        sums += batch * level_start(HEIGHT, WIDTH, LOW, HIGH + 1)
        across, down = source_point(matrix, x, y, PERSPECTIVE)
        wanted = view_level(matrix, SIZE)
        for k in tl.static_range(LOW, HIGH + 1):
            share = level_share(wanted, k, LOW, HIGH)
            if share > 0.0:
                width, height = ((WIDTH - 1) >> k) + 1, ((HEIGHT - 1) >> k) + 1
                column0, column1, left, right = taps(across * (1.0 / (1 << k)), padding, width, PADDING)
                row0, row1, top, bottom = taps(down * (1.0 / (1 << k)), padding, height, PADDING)
                top, bottom = share * top, share * bottom
                for channel in tl.static_range(3):
                    value = grad_r if channel == 0 else (grad_g if channel == 1 else grad_b)
                    plane = sums + level_start(HEIGHT, WIDTH, LOW, k) + channel * height * width
                    _add(plane, row0 * width + column0, value, top * left, unit, live, MODE == INTEGERS)
                    _add(plane, row0 * width + column1, value, top * right, unit, live, MODE == INTEGERS)
                    _add(plane, row1 * width + column0, value, bottom * left, unit, live, MODE == INTEGERS)
                    _add(plane, row1 * width + column1, value, bottom * right, unit, live, MODE == INTEGERS)


@triton.jit
def fold_kernel(
    sums, largest, gradient,
    INTEGER: tl.constexpr, COUNT_EXPONENT: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr,
):  # fmt: skip
    """One tile of one channel of a picture: what its pixels get from each level that they went into."""
    number, x0, y0 = tile_of(HEIGHT, WIDTH)  # of the plane
    x, y = pixels_of(x0, y0)
    live = (x < WIDTH) & (y < HEIGHT)
    at = number * (HEIGHT * WIDTH) + y * WIDTH + x
    batch, channel = number // 3, number % 3
    sums += batch * level_start(HEIGHT, WIDTH, LOW, HIGH + 1)
    share = tl.full([PIXELS], 1.0, tl.float64 if INTEGER else tl.float32)
    if INTEGER:
        bits = tl.load(largest + batch)
        exponent = _fixed_exponent(tl.minimum(bits, _INFINITY - 1), COUNT_EXPONENT)
        share *= tl.where(bits < _INFINITY, _power_of_two(-exponent), float("nan")).to(tl.float64)
    total = tl.zeros_like(share)
    for k in tl.static_range(0, HIGH + 1):
        if k > 0:
            share = tl.where((y | 1) < ((HEIGHT - 1) >> (k - 1)) + 1, share * 0.5, share)
            share = tl.where((x | 1) < ((WIDTH - 1) >> (k - 1)) + 1, share * 0.5, share)
            x, y = x // 2, y // 2
        if k >= LOW:
            width, height = ((WIDTH - 1) >> k) + 1, ((HEIGHT - 1) >> k) + 1
            plane = sums + level_start(HEIGHT, WIDTH, LOW, k) + channel * (height * width)
            total += share * tl.load(plane + y * width + x, mask=live, other=0).to(share.dtype)
    tl.store(gradient + at, total.to(tl.float32), mask=live)


@triton.jit
def gather_kernel(
    picture, stride_b, stride_c, stride_y, stride_x, grads, gradient,
    matrix, colour, erase, noise_scale, around, seeds, step, std_r, std_g, std_b,
    VIEWS: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr, PATCH: tl.constexpr,
    NOISE: tl.constexpr, LIGHT: tl.constexpr, SATURATION: tl.constexpr, HUE: tl.constexpr,
    ERASING: tl.constexpr, CLAMP: tl.constexpr,
):  # fmt: skip
    """Whole-pixel crops: one tile of a picture sums over the views that show it, in their order."""
    batch, x0, y0 = tile_of(HEIGHT, WIDTH)
    x, y = pixels_of(x0, y0)
    inside = (x < WIDTH) & (y < HEIGHT)
    at = x.to(tl.int64) * stride_x + y.to(tl.int64) * stride_y
    r, g, b = load_rgb(picture + batch * stride_b, stride_c, at, inside)
    sum_r, sum_g, sum_b = tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32)
    step_of = view_offset(1, 0, 0, SIZE, PATCH)  # from channel to channel
    for n in range(VIEWS):
        number = batch * VIEWS + n
        left, top = tl.load(matrix + 9 * number + 2).to(tl.int32), tl.load(matrix + 9 * number + 5).to(tl.int32)
        view_x, view_y = x - left, y - top
        live = inside & (view_x >= 0) & (view_y >= 0) & (view_x < SIZE) & (view_y < SIZE)
        place = number * (3 * SIZE * SIZE) + view_offset(0, view_x, view_y, SIZE, PATCH)
        grad_r, grad_g, grad_b = _load_gradient(grads, step_of, place, live, std_r, std_g, std_b)
        noise_r, noise_g, noise_b = scaled_noise(
            tl.load(noise_scale + number), tl.load(seeds + batch), tl.load(step), n, x0 - left, y0 - top,
            SIZE, NOISE if CLAMP else 0, False,
        )  # fmt: skip
        grad_r, grad_g, grad_b = gradient_through(
            r, g, b, noise_r, noise_g, noise_b, grad_r, grad_g, grad_b, colour + 4 * number, erase + 4 * number,
            view_x, view_y, LIGHT, SATURATION, HUE, ERASING, CLAMP,
        )  # fmt: skip
        sum_r += tl.where(live, grad_r, 0.0)
        sum_g += tl.where(live, grad_g, 0.0)
        sum_b += tl.where(live, grad_b, 0.0)
    gradient += batch * (3 * HEIGHT * WIDTH) + y * WIDTH + x
    tl.store(gradient, sum_r, mask=inside)
    tl.store(gradient + HEIGHT * WIDTH, sum_g, mask=inside)
    tl.store(gradient + 2 * HEIGHT * WIDTH, sum_b, mask=inside)
