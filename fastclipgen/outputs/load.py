"""Image files to tensors: start images, image prompts, masks. Knows nothing of what they are used for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn.functional import interpolate, pad

from fastclipgen.errors import UserError, unknown
from fastclipgen.outputs.opening import MAX_PIXELS, open_image

WHITE = (1.0, 1.0, 1.0)
FITS = ("cover", "contain", "stretch")
# Rec. 601, as Pillow's own conversion to grey
_LUMA = (0.299, 0.587, 0.114)


def load_image(
    path: str | Path,
    *,
    background: tuple[float, float, float] = WHITE,
    max_pixels: int = MAX_PIXELS,
    notice: Callable[[str], None] | None = None,
    data: bytes | None = None,
) -> torch.Tensor:
    """The image file at `path` as float32 [3, H, W] in 0..1.

    data: the content of the file, where it is none of its own (a member of an archive); `path` then only names it.

    Turned upright by its EXIF orientation; transparency is laid over `background` (0..1, white); grey, palette, CMYK
    and 16-bit files become RGB (16-bit grey keeps its depth; colour profiles are ignored). Of an animation the first
    picture is taken, and `notice` is called with a sentence that says so.

    Raises UserError for an address, a missing, unreadable, damaged or truncated file, a folder, a file that is no
    image, more than `max_pixels` pixels (checked before decoding), and grey values of unknown range.
    """
    colours, opacity = _read(path, max_pixels, notice, data)
    if opacity is not None:
        colours = torch.lerp(torch.tensor(background).view(3, 1, 1), colours, opacity)
    return colours.contiguous()


def load_overlay(path: str | Path, notice: Callable[[str], None] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The image file at `path` as its colours, float32 [3, H, W], and how opaque it is, [1, H, W], both in 0..1.

    Otherwise, and in what it raises, as `load_image`.
    """
    colours, opacity = _read(path, MAX_PIXELS, notice)
    if opacity is None:
        opacity = torch.ones(colours.shape[1:])
    return colours.contiguous(), opacity[None]


def _read(
    path: str | Path, max_pixels: int, notice: Callable[[str], None] | None, data: bytes | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The colours [3, H, W] of an image file, and its opacity [H, W], if it has any."""
    with open_image(path, max_pixels, data) as image:
        frames = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
        image.load()
        pixels, alpha = _decode(image)
    if notice is not None and frames > 1:
        notice(f"'{path}' has {frames} pictures; the first one is used")
    colours = torch.from_numpy(pixels).to(torch.float32).movedim(-1, 0)  # [3 or 1, H, W]
    if pixels.dtype == np.uint8:
        colours = colours / 255.0
    elif pixels.dtype == np.uint16:
        colours = colours / 65535.0
    elif not bool(((colours >= 0) & (colours <= 1)).all()):
        raise UserError(
            f"image '{path}' holds 32-bit values outside 0..1, whose white is unknown; save it with 8 or 16 bits"
        )
    opacity = None if alpha is None else torch.from_numpy(alpha).to(torch.float32) / 255.0
    return colours.expand(3, -1, -1), opacity


def load_mask(path: str | Path, height: int, width: int, how: str = "cover") -> torch.Tensor:
    """The mask file at `path` as float32 [1, height, width]: 1 where it is white and opaque, 0 where black or clear.

    Colours count by their luma. `how` as in `fit`, so that a mask meets its start image; the border that
    "contain" adds is 0. Raises UserError as `load_image` does.
    """
    colours = load_image(path, background=(0.0, 0.0, 0.0))
    luma = torch.einsum("chw,c->hw", colours, torch.tensor(_LUMA))[None].clamp(0.0, 1.0)
    return fit(luma, height, width, how, background=0.0)


def fit(image: torch.Tensor, height: int, width: int, how: str = "cover", background: float = 1.0) -> torch.Tensor:
    """`image` [..., C, H, W] in 0..1, resized to [..., C, height, width] with antialiasing (bicubic, clamped to 0..1).

    "cover" crops the centre to the new aspect, "contain" adds borders of the grey value `background`, "stretch" changes
    the aspect. Raises UserError for another word or a size below 1.
    """
    if how not in FITS:
        raise unknown("way to fit an image", how, FITS)
    if height < 1 or width < 1:
        raise UserError(f"an image must be at least 1 x 1 pixel but {width} x {height} was asked; give a larger size")
    rows, columns = image.shape[-2:]
    border = (0, 0, 0, 0)
    if how == "cover":
        # Cropped before resizing: a thin strip would become enormous the other way round.
        crop_rows = min(rows, max(1, round(columns * height / width)))
        crop_columns = min(columns, max(1, round(rows * width / height)))
        top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
        image = image[..., top : top + crop_rows, left : left + crop_columns]
    elif how == "contain":
        inner_height = min(height, max(1, round(rows * width / columns)))
        inner_width = min(width, max(1, round(columns * height / rows)))
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        border = (left, width - inner_width - left, top, height - inner_height - top)
        height, width = inner_height, inner_width
    if image.shape[-2:] != (height, width):
        planes = image.reshape(-1, 1, *image.shape[-2:])
        planes = interpolate(planes, (height, width), mode="bicubic", antialias=True, align_corners=False)
        image = planes.clamp(0.0, 1.0).view(*image.shape[:-2], height, width)
    return pad(image, border, value=background) if any(border) else image.contiguous()


def _decode(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours [H, W, 3] uint8, or deep grey [H, W, 1] uint16 or float32; and the opacity [H, W] uint8, if any."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        return np.array(upright, dtype=np.uint16)[..., None], None
    if upright.mode in ("I", "F"):
        values = np.array(upright)
        # Some 16-bit files open as 32-bit integers.
        deep = upright.mode == "I" and values.min() >= 0 and values.max() <= 65535
        return values.astype(np.uint16 if deep else np.float32)[..., None], None
    if upright.has_transparency_data:
        rgba = np.array(upright.convert("RGBA"))
        return rgba[..., :3], rgba[..., 3]
    return np.array(upright.convert("RGB")), None
