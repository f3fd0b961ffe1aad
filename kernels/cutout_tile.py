"""The stages of cutouts on a tile of 32 x 8 pixels of one view, in Triton, as the kernels of cutouts.py use them."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false
# (the language of kernels is not Python: constants are tl.constexpr, and launches add arguments)
from __future__ import annotations

import triton
import triton.language as tl

from .cutout_colour import in_unit_range, jitter, jitter_gradient
from .cutout_noise import noise
from .cutout_view import erased, level_share, level_start, read_level, source_point, view_level

COLUMNS, ROWS = tl.constexpr(32), tl.constexpr(8)  # neighbours in a row are neighbours in memory; rows share pixels
PIXELS = tl.constexpr(256)


@triton.jit
def tile_of(HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """This program's plane in a batch of planes, and the first pixel of its tile: number int64, x, y int32."""
    across: tl.constexpr = (WIDTH + 31) // 32
    tiles: tl.constexpr = across * ((HEIGHT + 7) // 8)
    program = tl.program_id(0).to(tl.int64)
    place = (program % tiles).to(tl.int32)
    return program // tiles, place % across * 32, place // across * 8


@triton.jit
def pixels_of(x, y):
    """The pixels of the tile that begins at x, y: [PIXELS] each."""
    lane = tl.arange(0, PIXELS)
    return x + lane % COLUMNS, y + lane // COLUMNS


@triton.jit
def load_rgb(data, plane, at, live):
    """Three planes, `plane` apart, at offset `at`."""
    r = tl.load(data + at, mask=live, other=0.0).to(tl.float32)
    g = tl.load(data + at + plane, mask=live, other=0.0).to(tl.float32)
    return r, g, tl.load(data + at + 2 * plane, mask=live, other=0.0).to(tl.float32)


@triton.jit
def sample(
    picture, plane, line, pixel, pyramid, matrix, x, y, live, padding, fill_r, fill_g, fill_b,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr,
    PADDING: tl.constexpr, EXACT: tl.constexpr, PERSPECTIVE: tl.constexpr,
):  # fmt: skip
    """The pixels x, y of a view before colour; picture, pyramid, matrix, padding, fill: those of this view."""
    if EXACT:
        column = tl.load(matrix + 2).to(tl.int32) + x
        row = tl.load(matrix + 5).to(tl.int32) + y
        return load_rgb(picture, plane, row.to(tl.int64) * line + column.to(tl.int64) * pixel, live)
    else:
        across, down = source_point(matrix, x, y, PERSPECTIVE)
        wanted = view_level(matrix, SIZE)
        r, g, b = tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32)
        for k in tl.static_range(LOW, HIGH + 1):
            share = level_share(wanted, k, LOW, HIGH)
            if share > 0.0:
                if k == 0:
                    more_r, more_g, more_b = read_level(
                        picture, plane, line, pixel, across, down, live, share, padding, fill_r, fill_g, fill_b,
                        HEIGHT, WIDTH, k, PADDING,
                    )  # fmt: skip
                else:
                    width = ((WIDTH - 1) >> k) + 1
                    area = width * (((HEIGHT - 1) >> k) + 1)
                    level = pyramid + level_start(HEIGHT, WIDTH, 1, k)
                    more_r, more_g, more_b = read_level(
                        level, area, width, 1, across, down, live, share, padding, fill_r, fill_g, fill_b,
                        HEIGHT, WIDTH, k, PADDING,
                    )  # fmt: skip
                r, g, b = r + more_r, g + more_g, b + more_b
        return r, g, b


@triton.jit
def scaled_noise(scale, seed, step, view, x, y, SIZE: tl.constexpr, KIND: tl.constexpr, ALIGNED: tl.constexpr):
    """Noise of the tile that begins at x, y of a view, times its scale."""
    r, g, b = tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32), tl.zeros([PIXELS], tl.float32)
    if KIND != 0:  # noqa: SIM102 - a constant: where there is no noise, nothing is compiled
        if scale != 0.0:
            r = scale * noise(seed, step, view, 0, x, y, SIZE, KIND, COLUMNS, ROWS, ALIGNED)
            g = scale * noise(seed, step, view, 1, x, y, SIZE, KIND, COLUMNS, ROWS, ALIGNED)
            b = scale * noise(seed, step, view, 2, x, y, SIZE, KIND, COLUMNS, ROWS, ALIGNED)
    return r, g, b


@triton.jit
def gradient_through(
    r, g, b, noise_r, noise_g, noise_b, grad_r, grad_g, grad_b, colour, box, x, y,
    LIGHT: tl.constexpr, SATURATION: tl.constexpr, HUE: tl.constexpr, ERASING: tl.constexpr, CLAMP: tl.constexpr,
):  # fmt: skip
    """From the gradient after clamping to that before colour; r, g, b: the pixels before colour."""
    if CLAMP:
        done_r, done_g, done_b = jitter(r, g, b, colour, LIGHT, SATURATION, HUE)
        grad_r *= in_unit_range(done_r + noise_r)
        grad_g *= in_unit_range(done_g + noise_g)
        grad_b *= in_unit_range(done_b + noise_b)
    if ERASING:
        blank = erased(box, x, y)
        grad_r, grad_g = tl.where(blank, 0.0, grad_r), tl.where(blank, 0.0, grad_g)
        grad_b = tl.where(blank, 0.0, grad_b)
    return jitter_gradient(r, g, b, grad_r, grad_g, grad_b, colour, LIGHT, SATURATION, HUE)
