"""The augmentations that users of nerdyrodent's VQGAN-CLIP choose with `-aug`, as stages of a CutoutSpec.

Given codes say which stages there are; their order is that of CutoutSpec, which differs from the order given only where
that does. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastclipgen.errors import UserError, unknown
from fastclipgen.ops.cutout_spec import CutoutSpec

DEFAULT = ("Af", "Pe", "Ji", "Er")
# Of cut method "latest". Its affine stage shifts vertically only, as kornia 0.5.4 did.
LATEST: dict[str, dict[str, Any]] = {
    "Ji": {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1, "colour_probability": 0.7},
    "Sh": {"sharpness": 0.3, "sharpness_probability": 0.5},
    "Gn": {"grain": 1.0, "grain_probability": 0.5},
    "Pe": {"perspective": 0.7, "perspective_probability": 0.7},
    "Ro": {"turn": 15.0, "turn_probability": 0.7},
    "Af": {"rotation": 15.0, "shear": 5.0, "translate": (0.0, 0.1), "affine_probability": 0.7},
    "Er": {"erase_area": (0.1, 0.4), "erase_probability": 0.7, "erase_shared": True},
    "Re": {"zoom": (0.1, 1.0), "zoom_aspect": (0.75, 1.333), "zoom_probability": 0.5},
}
NRUPDATED = LATEST | {
    "Pe": LATEST["Pe"] | {"perspective": 0.5},
    "Af": LATEST["Af"] | {"rotation": 30.0},
}
# What nerdyrodent has and we have not, and why.
_REFUSED = {
    "Et": "bends views by about a pixel, for which each would be resampled a second time",
    "Ts": "bends views freely, for which each would be resampled a second time",
    "Cr": "cuts a view to the size that it has, which changes nothing",
}


def augmented(base: CutoutSpec, table: Mapping[str, Mapping[str, Any]], codes: Sequence[str]) -> CutoutSpec:
    """`base`, which has none of these stages, with those that the codes name. Raises UserError for a code that there is
    not, or that comes twice."""
    for code in codes:
        if code in _REFUSED:
            raise UserError(f"augment '{code}' {_REFUSED[code]}; leave it out")
        if code not in table:
            raise unknown("augment", code, table)
        if codes.count(code) > 1:
            raise UserError(f"expected each augment once, got '{code}' {codes.count(code)} times; leave one out")
    fields = {name: value for code in codes for name, value in table[code].items()}
    return replace(base, **fields)
