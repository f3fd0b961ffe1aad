"""The judge of drawn pictures: is it a FG SHAPE on a BG background? It measures pixels and asks no model.

It knows the colours and outlines of the shapes world, and neither CLIPs nor how a picture was made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from fastclipgen.data.palette import COLOURS, nearest_colour
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.errors import UserError, unknown
from fastclipgen.evaluation.outline import overlaps
from fastclipgen.evaluation.regions import dilate, erode, largest, opened

SIDE = 128  # pixels of the longer side of what is measured
FRAME = 0.06  # of the side: where the background is looked for
# Calibrated on true renderings and on wrong pictures of many kinds (tests/evaluation/test_judge.py says how they fare).
BACKGROUND_SHARE = 0.90  # of the pixels around the object that must have the background's colour
COLOUR_SHARE = 0.80  # of the pixels of the object that must have its colour
REGION_SHARE = 0.85  # of all pixels that are not background that must be in one piece
COVERAGE = (0.015, 0.70)  # of the picture, for the object
OVERLAP = 0.88  # intersection over union with the best shape; less is no known shape


@dataclass(frozen=True)
class Verdict:
    """What the judge says of a picture, and what it saw. Shares are in 0..1.

    background_right: the asked colour is what is around the object, nearly everywhere.
    colour_right: so is the asked colour what the object has. shape_right: the object is one compact region of the asked
    colour and, of all shapes, fits the asked one best and well.
    """

    background_right: bool
    colour_right: bool
    shape_right: bool
    seen_background: str
    seen_colour: str | None  # None: nothing but background
    seen_shape: str | None  # None: no compact region, or one of no known shape
    compact: bool
    iou: float  # with the shape that fits best
    asked_iou: float  # with the asked shape
    coverage: float  # of the picture, by the region
    background_share: float
    colour_share: float
    region_share: float

    @property
    def colours_right(self) -> bool:
        """Background and object both have the colours they should."""
        return self.background_right and self.colour_right

    @property
    def right(self) -> bool:
        """The picture is what was asked for."""
        return self.colours_right and self.shape_right

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def judge(pixels: np.ndarray, shape: str, colour: str, background: str) -> Verdict:
    """Whether the picture (uint8 [H, W, 3], any size) shows "a `colour` `shape` on a `background` background".

    Takes some 30 ms on one core. Raises UserError for other arrays and for names that the shapes world does not know.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise UserError(f"the judge expects a picture as uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    for kind, name, known in (("shape", shape, SHAPES), ("colour", colour, COLOURS), ("colour", background, COLOURS)):
        if name not in known:
            raise unknown(kind, name, known)
    rgb = _measurable(pixels)  # [h, w, 3]
    names = nearest_colour(rgb)  # [h, w]
    ground = _frame_colour(names)
    object_ = opened(names != ground)
    region = largest(object_)
    mask = largest(_outlined(rgb, region, names == ground)) if region.any() else region
    around = ~dilate(mask, 2)
    background_share = float(np.mean((names == COLOURS.index(background))[around])) if around.any() else 0.0
    background_right = ground == COLOURS.index(background) and background_share >= BACKGROUND_SHARE
    if not mask.any():
        return Verdict(
            background_right=background_right, colour_right=False, shape_right=False, seen_background=COLOURS[ground],
            seen_colour=None, seen_shape=None, compact=False, iou=0.0, asked_iou=0.0, coverage=0.0,
            background_share=background_share, colour_share=0.0, region_share=0.0,
        )  # fmt: skip

    body = erode(mask) if erode(mask).any() else mask
    seen_colour = COLOURS[int(nearest_colour(np.median(rgb[body], axis=0)))]
    others = object_ & around  # other things in the picture, or a pattern, have their say too
    colour_share = float(np.mean(names[body | others] == COLOURS.index(colour)))
    region_share = float(mask.sum() / (mask.sum() + others.sum()))
    coverage = float(mask.mean())
    sensible = COVERAGE[0] <= coverage <= COVERAGE[1]
    compact = sensible and region_share >= REGION_SHARE
    fits = overlaps(mask)
    best = int(fits.argmax())
    seen_shape = SHAPES[best] if compact and fits[best] >= OVERLAP else None
    colour_right = seen_colour == colour and colour_share >= COLOUR_SHARE and sensible
    return Verdict(
        background_right=background_right,
        colour_right=colour_right,
        shape_right=colour_right and seen_shape == shape,
        seen_background=COLOURS[ground],
        seen_colour=seen_colour,
        seen_shape=seen_shape,
        compact=compact,
        iou=float(fits[best]),
        asked_iou=float(fits[SHAPES.index(shape)]),
        coverage=coverage,
        background_share=background_share,
        colour_share=colour_share,
        region_share=region_share,
    )


def _measurable(pixels: np.ndarray) -> np.ndarray:
    """The picture at the size of measuring, lightly smoothed: float64 [h, w, 3] in 0..1, the longer side SIDE."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image = image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    return np.asarray(image.filter(ImageFilter.MedianFilter(3)), dtype=np.float64) / 255


def _frame_colour(names: np.ndarray) -> int:
    """The most frequent colour along the picture's edges."""
    inside = np.zeros(names.shape, dtype=bool)
    edge = max(1, round(FRAME * max(names.shape)))
    inside[edge:-edge, edge:-edge] = True
    return int(np.bincount(names[~inside]).argmax())


def _outlined(rgb: np.ndarray, region: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The region with its outline where the colour is half-way between object and background, bool [h, w].

    The names of colours do not say that: what lies between white and black is called gray. Pixels of a third colour,
    such as what fills a ring, are no part of it.
    """
    core = erode(region) if erode(region).any() else region
    ink, paper = np.median(rgb[core], axis=0), np.median(rgb[ground], axis=0)
    axis = ink - paper
    along = (rgb - paper) @ axis / max(float(axis @ axis), 1e-9)  # 0: background, 1: object
    aside = np.linalg.norm(rgb - paper - along[..., None] * axis, axis=-1)
    return dilate(region, 2) & (along >= 0.5) & (aside < 0.3)
