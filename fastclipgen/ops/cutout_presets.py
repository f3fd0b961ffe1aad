"""Cutouts by name: how the programs of the field draw views, and what this project draws by default. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastclipgen.errors import UserError, unknown
from fastclipgen.ops.cutout_augments import DEFAULT, LATEST, NRUPDATED, augmented
from fastclipgen.ops.cutout_mix import AnySpec, CutoutMix
from fastclipgen.ops.cutout_spec import CutoutSpec

# K. Crowson's crops (z+quantize notebook): from the view's size up to the picture's short side. Resampled by mip
# levels, in one go with whatever follows.
_CROPS = CutoutSpec(crop=(1e-3, 1.0), unenlarged=True, noise="normal", noise_scale=(0.0, 0.1))
# nerdyrodent's pooling of the whole picture.
_POOLED = CutoutSpec(pool=True, frame="picture", noise="normal", noise_scale=(0.0, 0.1))
# clipit's: pooled, given its shape back, jittered in hue and saturation.
_CLIPIT = CutoutSpec(
    pool=True,
    stretch=True,
    saturation=0.1,
    hue=0.1,
    colour_probability=0.8,
    noise="normal",
    noise_scale=(0.0, 0.1),
)
# Those whose augmentations users choose: what they draw without any, and what there is to choose.
_SELECTABLE: dict[str, tuple[CutoutSpec, Mapping[str, Mapping[str, Any]]]] = {
    "latest": (replace(_POOLED, padding="zeros"), LATEST),
    "nrupdated": (replace(_CROPS, padding="zeros"), NRUPDATED),
}

PRESETS: dict[str, AnySpec] = {
    # Direct Ascent Synthesis (Fort & Whitaker 2025, arXiv 2502.07753): whole-pixel shifts, uniform noise of mean 0.1.
    "das": CutoutSpec(integer_shift=True, noise="uniform", noise_scale=(0.2, 0.2), clamp=True),
    # "original" of a 480 px picture at 224 px, as a fraction, and with mip levels and bilinear sampling in place of
    # Lanczos and bicubic: a few per cent of its time.
    "crops": CutoutSpec(crop=(0.47, 1.0)),
    # K. Crowson's VQGAN+CLIP cutouts with the notebook's own resampling; nerdyrodent's cut method "original".
    "original": CutoutSpec(crop=(1e-3, 1.0), unenlarged=True, resample="lanczos", clamp=True),
    # nerdyrodent/VQGAN-CLIP, cut methods by their names there. In all of them colour stages come in a fixed order, and
    # what a stage cuts off at its frame stays visible to the next. This one sharpens and jitters before it moves.
    "updated": replace(
        _CROPS,
        flip_probability=0.5,
        rotation=30.0,
        translate=(0.0, 0.1),
        affine_probability=0.8,
        perspective=0.2,
        perspective_probability=0.4,
        saturation=0.01,
        hue=0.01,
        colour_probability=0.7,
        sharpness=0.3,
        sharpness_probability=0.4,
    ),
    "nrupdated": augmented(*_SELECTABLE["nrupdated"], DEFAULT),
    # Its affine stage pads by the border and its perspective stage with zeros: here both do as the stronger one.
    "updatedpooling": replace(
        _POOLED,
        rotation=15.0,
        translate=(0.0, 0.1),
        affine_probability=0.7,
        perspective=0.7,
        perspective_probability=0.7,
        saturation=0.1,
        hue=0.1,
        colour_probability=0.7,
        erase_area=(0.1, 0.4),
        erase_probability=0.7,
        erase_shared=True,
        padding="zeros",
    ),
    "latest": augmented(*_SELECTABLE["latest"], DEFAULT),
    # dribnet/clipit: two thirds zoomed, the rest wide.
    "clipit": CutoutMix(
        replace(
            _CLIPIT,
            perspective=0.4,
            perspective_probability=0.7,
            zoom=(0.1, 0.75),
            zoom_aspect=(0.85, 1.2),
            zoom_probability=0.7,
            padding="alternate",
        ),
        replace(_CLIPIT, frame="inside", perspective=0.2, perspective_probability=0.7, padding="zeros"),
        share=2 / 3,
    ),
    # pixray: no square is cut out of the picture first, every view of the first kind is zoomed, wide ones lie on grey.
    "pixray": CutoutMix(
        replace(
            _CLIPIT,
            frame="picture",
            perspective=0.4,
            perspective_probability=0.7,
            zoom=(0.25, 0.95),
            zoom_aspect=(0.85, 1.2),
            zoom_probability=1.0,
            padding="alternate",
        ),
        replace(_CLIPIT, frame="inside", perspective=0.2, perspective_probability=0.7, padding="grey"),
        share=0.6,
    ),
    # For the built-in perceptor: small pictures, so views stay close to the whole picture.
    "gentle": CutoutSpec(
        crop=(0.7, 1.1),
        overhang=0.05,
        rotation=10.0,
        perspective=0.1,
        perspective_probability=0.5,
        brightness=0.05,
        contrast=0.05,
        saturation=0.05,
        hue=0.01,
        colour_probability=0.5,
        noise="normal",
        noise_scale=(0.0, 0.1),
    ),
    # cloneofsimo/clipping-CLIP-to-GAN: the whole picture, aliased, and without CLIP's mean and standard deviation.
    "signed": CutoutSpec(frame="picture", bilinear=True, signed=True),
    # The whole picture and nothing else: what a perceptor sees when a finished picture is scored.
    "plain": CutoutSpec(frame="picture"),
}
# Names that presets had before, as pictures may have stored them.
FORMER = {"crowson": "original", "vqgan": "latest"}


def preset(name: str, augments: Sequence[str] | None = None) -> AnySpec:
    """The preset called `name`, with the augments of these codes in place of its own, if given.

    Raises UserError with the nearest name when there is none, and for augments of a preset that has none to choose.
    """
    name = FORMER.get(name, name)
    if name not in PRESETS:
        raise unknown("cutout preset", name, PRESETS)
    if augments is None:
        return PRESETS[name]
    if name not in _SELECTABLE:
        raise UserError(
            f"augments are those of cutouts {' and '.join(_SELECTABLE)}, got '{name}'; add --cutouts latest"
        )
    return augmented(*_SELECTABLE[name], augments)
