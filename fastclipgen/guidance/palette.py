r"""Palettes written as text, in the notation that clipit and pixray made usual -> colours. Knows no tensors.

- `red`, `#ff0000`: a ramp of 16 colours from black to that one; `red\8`: of 8
- `black->red->white\12`: a ramp of 12 over all the colours named, evenly, both ends included (without \N of 16)
- `[black, red, #0000ff]`: these colours and no others
- `;` puts palettes together: `[white];black->navy\4`

Names are the CSS colours, as Pillow knows them.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import ImageColor

from fastclipgen.errors import UserError, nearest

Colour = tuple[float, float, float]

RAMP = 16
MOST = 256  # colours of a palette: every pixel is compared with each


def parse_colour(text: str) -> Colour:
    """A CSS name, #rgb, #rrggbb, rgb(...) or hsl(...) as red, green, blue in 0..1. Raises UserError."""
    name = text.strip()
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        hint = nearest(name.lower(), ImageColor.colormap) or "; write for example 'navy' or '#000080'"
        raise UserError(f"expected a colour by its CSS name or as #rrggbb, got '{name}'{hint}") from None
    return red / 255, green / 255, blue / 255


def parse_palette(text: str) -> tuple[Colour, ...]:
    """The colours of a palette, 1 to MOST. Raises UserError."""
    colours = [colour for part in text.split(";") for colour in _part(part.strip(), text)]
    if len(colours) > MOST:
        raise UserError(f"expected a palette of at most {MOST} colours, got {len(colours)} in '{text}'; ask for fewer")
    return tuple(colours)


def palette_of(texts: Sequence[str]) -> tuple[Colour, ...]:
    """The colours of one palette, or of several colours, which are just these. Raises UserError."""
    return parse_palette(texts[0]) if len(texts) == 1 else tuple(parse_colour(text) for text in texts)


def _part(part: str, whole: str) -> list[Colour]:
    if part.startswith("[") and part.endswith("]"):
        return [parse_colour(name) for name in part[1:-1].split(",")]
    names, backslash, count = part.partition("\\")
    if not names.strip():
        raise UserError(f"expected a colour on both sides of every ';' of a palette, got '{whole}'; remove one")
    stops = [parse_colour(name) for name in names.split("->")]
    if len(stops) == 1:
        stops.insert(0, (0.0, 0.0, 0.0))
    return _ramp(stops, _count(count, part) if backslash else RAMP)


def _count(text: str, part: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 2 <= count <= MOST:
        raise UserError(f"expected 2 to {MOST} colours behind the backslash of '{part}', got '{text}'; correct it")
    return count


def _ramp(stops: list[Colour], count: int) -> list[Colour]:
    """`count` colours evenly along the straight lines between the stops."""
    colours = []
    for i in range(count):
        place = i * (len(stops) - 1) / (count - 1)
        first = min(int(place), len(stops) - 2)
        share = place - first
        red, green, blue = (a + share * (b - a) for a, b in zip(stops[first], stops[first + 1], strict=True))
        colours.append((red, green, blue))
    return colours
