"""All of CLIPig's constraints by name, in the order of the reference page."""

from __future__ import annotations

from fastclipgen.guidance.frame_constraints.base import FrameConstraint
from fastclipgen.guidance.frame_constraints.likeness import Blur, Border, Noise, Normalize
from fastclipgen.guidance.frame_constraints.pictures import Palette, TotalVariation
from fastclipgen.guidance.frame_constraints.thresholds import Contrast, EdgeMax, EdgeMean, Mean, Saturation, Std

CONSTRAINTS: dict[str, FrameConstraint] = {
    kind.name: kind()
    for kind in (
        Mean,
        Std,
        Saturation,
        Contrast,
        EdgeMean,
        EdgeMax,
        Blur,
        Border,
        Normalize,
        Noise,
        TotalVariation,
        Palette,
    )
}
