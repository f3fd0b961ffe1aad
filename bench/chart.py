"""A bar chart as an SVG file, drawn by hand: no plotting library is needed to publish. Knows nothing of benches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, LABELS, ROW, TOP, TAIL = 860, 330, 26, 64, 90
FONT = "font-family='ui-sans-serif, system-ui, sans-serif' font-size='13'"


class Bar(NamedTuple):
    """A quantity, 0 or more, with the ends of its spread."""

    label: str
    value: float
    low: float
    high: float


def bars(title: str, unit: str, values: Sequence[Bar], mark: float | None = None) -> str:
    """The chart: one line for each value, its spread as a whisker, and a line at `mark`. unit: written behind numbers.

    A linear scale that ends with the largest median: whiskers that reach beyond it are cut.
    """
    top = max([bar.value for bar in values] + ([mark] if mark is not None else []), default=0.0) or 1.0
    height = TOP + ROW * len(values) + 16
    room = WIDTH - LABELS - TAIL

    def x(value: float) -> float:
        return LABELS + room * min(max(value, 0.0), top * 1.04) / top

    size = f"width='{WIDTH}' height='{height}'"
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {size} {FONT}>",
        f"<rect {size} fill='#ffffff'/>",
        f"<text x='16' y='28' font-size='16' font-weight='600' fill='#1a1a1a'>{escape(title)}</text>",
    ]
    if mark is not None:
        bottom = height - 12
        lines.append(f"<path d='M{x(mark):.1f} {TOP - 10}V{bottom}' stroke='#999999'/>")
        lines.append(
            f"<text x='{x(mark):.1f}' y='{TOP - 14}' fill='#666666' text-anchor='middle'>{mark:g}{unit}</text>"
        )
    for index, bar in enumerate(values):
        y = TOP + ROW * index
        middle = y + ROW / 2 - 3
        lines += [
            f"<text x='{LABELS - 8}' y='{middle + 5:.1f}' text-anchor='end' fill='#1a1a1a'>{escape(bar.label)}</text>",
            f"<rect x='{LABELS}' y='{y}' width='{x(bar.value) - LABELS:.1f}' height='{ROW - 8}' fill='#3b6ea8'/>",
            f"<path d='M{x(bar.low):.1f} {middle:.1f}H{x(bar.high):.1f}' stroke='#1a1a1a'/>",
            f"<text x='{x(bar.high) + 6:.1f}' y='{middle + 5:.1f}' fill='#1a1a1a'>{bar.value:.3g}{unit}</text>",
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
