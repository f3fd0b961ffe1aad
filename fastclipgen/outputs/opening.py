"""Opening image files that may be anything at all, with bounds checked before pixels are decoded.

Knows nothing of tensors or of what is read from the image.
"""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from fastclipgen.errors import UserError

MAX_PIXELS = 100_000_000
_MAX_FILE_BYTES = 1 << 30
# The formats people have. Pillow knows more, some of which start other programs (EPS starts Ghostscript).
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000", "AVIF")


@contextmanager
def open_image(path: str | Path, max_pixels: int = MAX_PIXELS, data: bytes | None = None) -> Iterator[Image.Image]:
    """The image at `path`, opened but not yet decoded; closed afterwards.

    data: the content of the file, where it is none of its own; `path` then only names it in errors.
    Raises UserError for an address, a missing or unreadable file, a folder, anything that is no image, an image of more
    than `max_pixels` pixels, and for whatever Pillow meets in the body of the `with` (truncated or corrupt data).
    """
    with _open_file(path) if data is None else io.BytesIO(data) as file, warnings.catch_warnings():
        # The limit is ours, and it is an error: Pillow's warning about its own lower one says nothing new.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            Image.init()
            with Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN]) as image:
                if image.width * image.height > max_pixels:
                    raise UserError(
                        f"image '{path}' has {image.width} x {image.height} pixels, more than the "
                        f"{max_pixels / 1e6:g} million allowed; make it smaller first"
                    )
                yield image
        except UserError:
            raise
        except Image.UnidentifiedImageError as error:
            raise UserError(
                f"'{path}' is not an image that can be read (PNG, JPEG, WebP, GIF, BMP, TIFF, ...); give an image file"
            ) from error
        except Image.DecompressionBombError as error:
            raise UserError(f"image '{path}' has far too many pixels; make it smaller first") from error
        except Exception as error:
            # Pillow's readers raise nearly anything on hostile files: struct.error, SyntaxError, IndexError, ...
            raise UserError(
                f"image '{path}' is damaged or cut off ({str(error)[:200] or type(error).__name__}); "
                "save or fetch it again"
            ) from error


def read_file(path: str | Path) -> bytes:
    """The content of an image file, as `data` of `open_image` takes it, for who wants to know it as well. Raises
    UserError for whatever is no regular file that can be read."""
    with _open_file(path) as file:
        return file.read()


@contextmanager
def _open_file(path: str | Path):
    """The regular file at `path`, open for reading."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", str(path)):
        raise UserError(
            f"image '{path}' is an address, but only local files are read; download it first and give the file"
        )
    try:
        if os.path.isdir(path):
            raise UserError(f"image '{path}' is a folder; give an image file in it")
        status = os.stat(path)
        # Opening a pipe would wait for ever, and a device never ends.
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"image '{path}' is not a regular file; give an image file")
        if status.st_size > _MAX_FILE_BYTES:
            raise UserError(
                f"image file '{path}' has {status.st_size / 2**30:.1f} GiB, more than 1 GiB; make it smaller"
            )
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError as error:
        raise UserError(f"image '{path}' does not exist (looked in {os.getcwd()}); check the path") from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"image '{path}' cannot be opened ({getattr(error, 'strerror', None) or error}); check the file"
        ) from error
    with file:
        yield file
