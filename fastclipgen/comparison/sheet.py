"""The contact sheet of a comparison: prompts down, entries across, or the other way where that is less wide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from fastclipgen.comparison.plan import Plan
from fastclipgen.comparison.rows import Picture
from fastclipgen.outputs.grid import contact_sheet

SIDE = 192  # of a picture on the sheet
MOST_ACROSS = 8  # entries; more stand below each other, if there are fewer prompts
_BLANK = (232, 232, 232)


def sheet_of(plan: Plan, pictures: Sequence[Picture], judges: Sequence[str]) -> np.ndarray:
    """All pictures, entry after entry, as one uint8 [H, W, 3] with the scores below each; a place whose picture is not
    drawn is grey."""
    rows, names = plan.row_heads, [entry.name for entry in plan.entries]
    blank = np.full((SIDE, SIDE, 3), _BLANK, np.uint8)
    shown = [blank if one.pixels is None else fitted(one.pixels) for one in pictures]
    labels = [label(one, judges) for one in pictures]
    grid = np.arange(len(pictures)).reshape(len(names), len(rows))  # [entries, prompts]
    across, down = rows, names
    if not turned(len(names), len(rows)):
        grid, across, down = grid.T, names, rows
    order = grid.ravel().tolist()
    return contact_sheet(
        [shown[n] for n in order],
        [labels[n] for n in order],
        columns=len(across),
        column_heads=across,
        row_heads=down,
        font_size=13,
        label_lines=3,
        padding=12,
    )


def turned(entries: int, rows: int) -> bool:
    """Whether entries stand below each other."""
    return entries > MOST_ACROSS and rows < entries


def label(picture: Picture, judges: Sequence[str]) -> str:
    """What stands below a picture: its scores, and the verdict if there is one."""
    if not picture.drawn:
        return "not drawn"
    parts = [] if picture.guide is None else [f"guide {picture.guide:.1f}"]
    parts += [f"{judge} {picture.judged[judge]:.1f}" for judge in judges if judge in picture.judged]
    if picture.verdict is not None:
        parts.append(said(picture))
    if picture.alarm:
        parts.append("noise")
    return ", ".join(parts)


def said(picture: Picture) -> str:
    """The verdict in a word or two; empty where there is none."""
    verdict = picture.verdict
    if verdict is None:
        return ""
    if verdict.right:
        return "right"
    return "colours right" if verdict.colours_right else "shape right" if verdict.shape_right else "wrong"


def fitted(pixels: np.ndarray) -> np.ndarray:
    """The picture, uint8 [H, W, 3], with its longer side SIDE pixels."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.array(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.LANCZOS))
