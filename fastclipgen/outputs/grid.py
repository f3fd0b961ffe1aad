"""A contact sheet: several pictures in one, with labels. Knows nothing of files."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastclipgen.errors import UserError

Colour = tuple[int, int, int]
_MAX_LABEL = 500


def contact_sheet(
    pictures: Sequence[np.ndarray],
    labels: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    padding: int = 8,
    background: Colour = (255, 255, 255),
    font_size: int = 14,
    label_lines: int = 2,
) -> np.ndarray:
    """Pictures (uint8 [H, W, 3], sizes may differ) side by side, in reading order, as one uint8 [H, W, 3].

    Every cell has the size of the largest picture; smaller ones are centred, none is scaled. `columns` is by default
    the rounded-up square root of their number. A label goes below each picture, wrapped to the cell's width, at most
    `label_lines` lines, the rest shown as an ellipsis. The font is the one Pillow brings, which knows Latin letters.
    Raises UserError for no pictures, numbers out of range, or a number of labels that differs from that of pictures.
    """
    if not pictures:
        raise UserError("a grid needs at least one picture but none came")
    if labels is not None and len(labels) != len(pictures):
        raise UserError(f"a grid needs one label a picture but got {len(labels)} labels for {len(pictures)} pictures")
    columns = math.ceil(math.sqrt(len(pictures))) if columns is None else min(columns, len(pictures))
    if columns < 1 or padding < 0 or font_size < 1 or label_lines < 1:
        raise UserError(
            "a grid needs columns, font size and label lines of at least 1 and a padding of at least 0 but got "
            f"columns={columns}, font_size={font_size}, label_lines={label_lines}, padding={padding}"
        )
    rows = math.ceil(len(pictures) / columns)
    cell_height = max(picture.shape[0] for picture in pictures)
    cell_width = max(picture.shape[1] for picture in pictures)
    font = ImageFont.load_default(font_size)
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (font_size, 0)
    line_height = ascent + descent
    wrapped = [_wrap(label, font, cell_width, label_lines) for label in labels or []]
    text_height = max((len(lines) for lines in wrapped), default=0) * line_height

    step_x, step_y = cell_width + padding, cell_height + text_height + padding
    sheet = Image.new("RGB", (columns * step_x + padding, rows * step_y + padding), background)
    draw = ImageDraw.Draw(sheet)
    ink = (0, 0, 0) if sum(background) > 384 else (255, 255, 255)
    for n, picture in enumerate(pictures):
        left, top = padding + n % columns * step_x, padding + n // columns * step_y
        height, width = picture.shape[:2]
        place = (left + (cell_width - width) // 2, top + (cell_height - height) // 2)
        sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), place)
        for line, text in enumerate(wrapped[n] if wrapped else []):
            draw.text((left, top + cell_height + line * line_height), text, fill=ink, font=font)
    return np.array(sheet)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, limit: int) -> list[str]:
    """`text` in at most `limit` lines no wider than `width` pixels; long words are broken, what is left out is "…"."""
    lines: list[str] = []
    rest = " ".join(text[:_MAX_LABEL].split())
    while rest and len(lines) < limit:
        last = len(lines) == limit - 1
        if font.getlength(rest) <= width:
            lines.append(rest)
            break
        tail = "…" if last else ""
        fits = max(1, _longest(rest, tail, font, width))
        space = rest.rfind(" ", 1, fits + 1)
        cut = fits if last or space < 1 else space
        lines.append(rest[:cut].rstrip() + tail)
        rest = rest[cut:].lstrip()
    return lines


def _longest(text: str, tail: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> int:
    """How many characters of `text`, followed by `tail`, are no wider than `width`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle] + tail) <= width else (low, middle - 1)
    return low
