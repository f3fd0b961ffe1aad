"""Settings inside the picture file: how they are written, read back and shown. Knows nothing of what they mean.

PNG: iTXt chunks "fastclipgen" (JSON) and "Description", tEXt "Software". JPEG and WebP: the EXIF tags UserComment
(JSON), ImageDescription and Software. The JSON is ASCII with escapes, so no reader can spoil a prompt's letters.
"""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Mapping
from importlib import metadata as packages
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from fastclipgen.errors import UserError
from fastclipgen.outputs.opening import MAX_PIXELS, open_image

KEY = "fastclipgen"
MAX_BYTES = 1 << 20
# One JPEG segment holds 65,533 bytes; the rest is for the other tags.
_MAX_JPEG_BYTES = 60_000
_EXIF_FOLDER, _USER_COMMENT, _DESCRIPTION, _SOFTWARE = 0x8769, 0x9286, 0x010E, 0x0131
_ASCII = b"ASCII\0\0\0"
_DISTRIBUTIONS = {"fastclipgen": "fastclipgen", "torch": "torch", "open_clip": "open_clip_torch"}


def versions() -> dict[str, str]:
    """Versions of fastclipgen, torch, open_clip and Python, without importing them."""
    found = {}
    for name, distribution in _DISTRIBUTIONS.items():
        try:
            found[name] = packages.version(distribution)
        except packages.PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "python": platform.python_version()}


def save_options(metadata: Mapping[str, Any], file_format: str) -> dict[str, Any]:
    """Keyword arguments for Pillow's `save` that put `metadata` and the versions into a PNG, JPEG or WEBP file.

    Values other than JSON's own are stored as text, non-finite numbers as null. Raises UserError where the
    settings do not fit: 1 MiB, or 60,000 bytes in a JPEG.
    """
    settings = _plain({**metadata, "versions": versions()})
    text = json.dumps(settings)
    limit = _MAX_JPEG_BYTES if file_format == "JPEG" else MAX_BYTES
    if len(text) > limit:
        raise UserError(
            f"the settings take {len(text)} bytes, but a {file_format} file can hold {limit} bytes of metadata; "
            "shorten the prompts, save as PNG, or leave them out with --no-metadata"
        )
    description = _description(settings).encode("utf-8", "replace")
    software = f"fastclipgen {settings['versions']['fastclipgen']}"
    if file_format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt(KEY, text)
        info.add_itxt("Description", description.decode())
        info.add_text("Software", software)
        return {"pnginfo": info}
    exif = Image.Exif()
    exif[_DESCRIPTION] = description
    exif[_SOFTWARE] = software
    exif.get_ifd(_EXIF_FOLDER)[_USER_COMMENT] = _ASCII + text.encode("ascii")
    return {"exif": exif.tobytes()}


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The settings stored in a picture that fastclipgen made.

    Raises UserError if the file is no readable image, holds no settings, holds damaged ones or more than 1 MiB.
    """
    # Only the head of the file is read, so the number of pixels does not matter up to Pillow's own limit.
    with open_image(path, max_pixels=2 * MAX_PIXELS) as image:
        text = image.info.get(KEY) if image.format == "PNG" else _comment(image)
    if not isinstance(text, str) or not text:
        raise UserError(
            f"'{path}' holds no fastclipgen settings; give a picture that fastclipgen made with metadata, "
            "and that no other program has saved again"
        )
    if len(text) > MAX_BYTES:
        raise UserError(f"the settings in '{path}' take {len(text)} bytes, more than {MAX_BYTES}; give another file")
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the fastclipgen settings in '{path}' are damaged ({error}); give another copy") from error
    if not isinstance(settings, dict):
        raise UserError(f"the fastclipgen settings in '{path}' are damaged (not a mapping); give another copy")
    return settings


def format_info(metadata: Mapping[str, Any]) -> str:
    """Settings for people: one "key: value" a line, nested mappings indented, control characters escaped."""
    lines: list[str] = []
    # A stack instead of recursion: the file decides how deep the settings go.
    todo: list[tuple[int, str, Any]] = [(0, str(key), value) for key, value in reversed(list(metadata.items()))]
    while todo:
        depth, key, value = todo.pop()
        if isinstance(value, Mapping) and value:
            lines.append(f"{'  ' * depth}{_printable(key)}:")
            todo += [(depth + 1, str(inner), item) for inner, item in reversed(list(value.items()))]
        elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            todo += [(depth, f"{key}[{n}]", item) for n, item in reversed(list(enumerate(value)))]
        else:
            shown = ", ".join(map(_scalar, value)) if isinstance(value, list) else _scalar(value)
            lines.append(f"{'  ' * depth}{_printable(key)}: {_printable(shown)}")
    return "\n".join(lines)


def _comment(image: Image.Image) -> str | None:
    """The JSON in an EXIF user comment; None for other people's comments."""
    comment = image.getexif().get_ifd(_EXIF_FOLDER).get(_USER_COMMENT)
    if not isinstance(comment, bytes) or not comment.startswith(_ASCII + b"{"):
        return None
    return comment[len(_ASCII) :].rstrip(b"\0").decode("ascii", "replace")


def _description(settings: Mapping[str, Any]) -> str:
    """The prompt on one line, the plain settings on the next."""
    prompts = settings.get("prompt") or settings.get("prompts") or ""
    first = " | ".join(map(str, prompts)) if isinstance(prompts, list) else str(prompts)
    rest = [
        f"{key}: {_scalar(value)}"
        for key, value in settings.items()
        if key not in ("prompt", "prompts") and not isinstance(value, dict | list)
    ]
    # EXIF shares one segment with the settings.
    return f"{first[:500]}\n{', '.join(rest)[:500]}"


def _plain(value: Any) -> Any:
    """`value` in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    # numpy and torch scalars know how to become a Python number
    return _plain(value.item()) if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else str(value)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _printable(text: str) -> str:
    """`text` without anything that a terminal would obey."""
    return re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda c: repr(c[0])[1:-1], text)
