"""A contact sheet: several pictures in one, with labels. Knows nothing of files."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastclipgen.errors import UserError

Colour = tuple[int, int, int]
_MAX_LABEL = 500
HEAD_LINES = 5
HEAD_SCALE = 1.15  # of the labels' size


def contact_sheet(
    pictures: Sequence[np.ndarray],
    labels: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    padding: int = 8,
    background: Colour = (255, 255, 255),
    font_size: int = 14,
    label_lines: int = 2,
    column_heads: Sequence[str] | None = None,
    row_heads: Sequence[str] | None = None,
) -> np.ndarray:
    """Pictures (uint8 [H, W, 3], sizes may differ) side by side, in reading order, as one uint8 [H, W, 3].

    Every cell has the size of the largest picture; smaller ones are centred, none is scaled. `columns` is by default
    the rounded-up square root of their number, or that of `column_heads`. A label goes below each picture, wrapped to
    the cell's width, at most `label_lines` lines, the rest shown as an ellipsis. `column_heads` stand above the first
    row, `row_heads` left of the first column in one of its own as wide as the others, at most HEAD_LINES lines each, a
    little larger than labels. The font is the one Pillow brings, which knows Latin letters. Raises UserError for no
    pictures, numbers out of range, or a number of labels or heads that differs from what they are for.
    """
    if not pictures:
        raise UserError("a grid needs at least one picture but none came")
    if labels is not None and len(labels) != len(pictures):
        raise UserError(f"a grid needs one label a picture but got {len(labels)} labels for {len(pictures)} pictures")
    if columns is None:
        columns = len(column_heads) if column_heads is not None else math.ceil(math.sqrt(len(pictures)))
    columns = min(columns, len(pictures))
    if columns < 1 or padding < 0 or font_size < 1 or label_lines < 1:
        raise UserError(
            "a grid needs columns, font size and label lines of at least 1 and a padding of at least 0 but got "
            f"columns={columns}, font_size={font_size}, label_lines={label_lines}, padding={padding}"
        )
    rows = math.ceil(len(pictures) / columns)
    for heads, count, what in ((column_heads, columns, "column"), (row_heads, rows, "row")):
        if heads is not None and len(heads) != count:
            raise UserError(f"a grid needs one head a {what} but got {len(heads)} heads for {count} {what}s")
    cell_height = max(picture.shape[0] for picture in pictures)
    cell_width = max(picture.shape[1] for picture in pictures)
    small, large = (_Writer(size, cell_width) for size in (font_size, round(font_size * HEAD_SCALE)))
    below = [small.wrap(label, label_lines) for label in labels or []]
    above = [large.wrap(head, HEAD_LINES) for head in column_heads or []]
    beside = [large.wrap(head, HEAD_LINES) for head in row_heads or []]
    text_height = max(map(len, below), default=0) * small.line_height
    row_height = max([cell_height + text_height, *(len(lines) * large.line_height for lines in beside)])
    head_height = max(map(len, above), default=0) * large.line_height + (padding if above else 0)

    step_x, step_y = cell_width + padding, row_height + padding
    first_x, first_y = padding + (step_x if beside else 0), padding + head_height
    sheet = Image.new("RGB", (first_x + columns * step_x, first_y + rows * step_y), background)
    draw = ImageDraw.Draw(sheet)
    ink = (0, 0, 0) if sum(background) > 384 else (255, 255, 255)
    for column, lines in enumerate(above):  # upon the pictures, however many lines the others have
        top = first_y - padding - len(lines) * large.line_height
        large.write(draw, first_x + column * step_x, top, lines, ink)
    for row, lines in enumerate(beside):
        large.write(draw, padding, first_y + row * step_y, lines, ink)
    for n, picture in enumerate(pictures):
        left, top = first_x + n % columns * step_x, first_y + n // columns * step_y
        height, width = picture.shape[:2]
        place = (left + (cell_width - width) // 2, top + (cell_height - height) // 2)
        sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), place)
        small.write(draw, left, top + cell_height, below[n] if below else [], ink)
    return np.array(sheet)


class _Writer:
    """Lines of one size, no wider than `width` pixels."""

    def __init__(self, size: int, width: int) -> None:
        self.font, self.width = ImageFont.load_default(size), width
        ascent, descent = self.font.getmetrics() if isinstance(self.font, ImageFont.FreeTypeFont) else (size, 0)
        self.line_height = ascent + descent

    def wrap(self, text: str, limit: int) -> list[str]:
        """`text` in at most `limit` lines."""
        return _wrap(text, self.font, self.width, limit)

    def write(self, draw: ImageDraw.ImageDraw, left: int, top: int, lines: Sequence[str], ink: Colour) -> None:
        for line, text in enumerate(lines):
            draw.text((left, top + line * self.line_height), text, fill=ink, font=self.font)


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
