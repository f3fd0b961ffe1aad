"""Pictures to files: rounding to 8 bits, encoding by extension, settings inside. Knows nothing of engines."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.outputs.atomic import check_writable, write_file
from fastclipgen.outputs.metadata import save_options
from fastclipgen.outputs.naming import NameFields, expand

DEFAULT_QUALITY = 95
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_MAX_SIDE = {"PNG": 2**31 - 1, "JPEG": 65500, "WEBP": 16383}


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Images [..., 3, H, W] of any float dtype in 0..1 as uint8 [..., H, W, 3].

    A value x becomes floor(255 x + 1/2) in float32, clamped to 0..255: the nearest level, ties up, the same on every
    device. Levels k/255 come back as k. Raises UserError for values that are not finite.
    """
    if not images.is_floating_point() or images.ndim < 3 or images.shape[-3] != 3:
        raise UserError(f"a picture must be a float tensor [3, H, W] but is {images.dtype} {list(images.shape)}")
    values = images.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(values).all()):
        raise UserError("the picture holds values that are not finite, so it cannot be saved; lower the learning rate")
    levels = values.mul(255.0).add_(0.5).floor_().clamp_(0.0, 255.0).to(torch.uint8)
    return levels.movedim(-3, -1).contiguous().numpy()


def save_image(
    picture: np.ndarray | torch.Tensor,
    template: str | Path,
    metadata: Mapping[str, Any] | None = None,
    *,
    fields: NameFields | None = None,
    tag: str = "",
    quality: int = DEFAULT_QUALITY,
) -> Path:
    """Writes one picture under the first free name of `template` (see `naming.expand`) and returns that name.

    `picture` is uint8 [H, W, 3], or a float tensor [3, H, W] in 0..1 (rounded by `to_uint8`). The extension decides the
    format: PNG is exact, JPEG (without chroma subsampling) and WebP have a `quality` of 1..100. `metadata` and the
    versions go into the file; None writes none of it. Complete or not there at all; raises UserError.
    """
    target = expand(template, fields, tag=tag)
    return write_file(target, encode(picture, FORMATS[target.suffix.lower()], metadata, quality))


def check_output(
    template: str | Path,
    metadata: Mapping[str, Any] | None = None,
    *,
    fields: NameFields | None = None,
    quality: int = DEFAULT_QUALITY,
    size: tuple[int, int] = (1, 1),
) -> None:
    """Raises the UserError that `save_image` of a `size` (height, width) picture would end in; call it before a run."""
    check_writable(template, fields)
    file_format = FORMATS[expand(template, fields).suffix.lower()]
    _check_size(*size, file_format)
    encode(np.zeros((1, 1, 3), np.uint8), file_format, metadata, quality)


def encode(
    picture: np.ndarray | torch.Tensor,
    file_format: str,
    metadata: Mapping[str, Any] | None,
    quality: int = DEFAULT_QUALITY,
) -> bytes:
    """The bytes of a file of that format of Pillow's, made in memory so that errors of the disk and of the encoder stay
    apart; arguments and errors as of `save_image`."""
    array = to_uint8(picture) if isinstance(picture, torch.Tensor) else picture
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UserError(f"a picture must be a uint8 array [H, W, 3] but is {array.dtype} {list(array.shape)}")
    if not 1 <= quality <= 100:
        raise UserError(f"the quality of JPEG and WebP must lie in 1..100 but is {quality}")
    _check_size(array.shape[0], array.shape[1], file_format)
    options: dict[str, Any] = {"PNG": {}, "JPEG": {"quality": quality, "subsampling": 0}, "WEBP": {"quality": quality}}[
        file_format
    ]
    if metadata is not None:
        options = {**options, **save_options(metadata, file_format)}
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, file_format, **options)
    return buffer.getvalue()


def _check_size(height: int, width: int, file_format: str) -> None:
    side = _MAX_SIDE[file_format]
    if max(height, width) > side:
        raise UserError(
            f"a {file_format} file holds at most {side} pixels a side but {width} x {height} came; save as PNG"
        )
