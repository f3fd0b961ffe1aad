"""All transforms by name, in the order of the reference page."""

from __future__ import annotations

from fastclipgen.guidance.transforms.affine import RandomRotate, RandomScale, RandomTranslate, Rotate
from fastclipgen.guidance.transforms.base import Transform
from fastclipgen.guidance.transforms.colour import Add, Clamp, Contrast, Mean, Mul, Quantize, Saturation
from fastclipgen.guidance.transforms.crops import CenterCrop, Crop, RandomCrop
from fastclipgen.guidance.transforms.filters import Blur, Border, Edge
from fastclipgen.guidance.transforms.noise import CoarseNoise, FrequencyNoise, GreyNoise, Noise
from fastclipgen.guidance.transforms.shifts import RandomShift, Shift
from fastclipgen.guidance.transforms.sizes import Pad, Repeat, Resize

_COLOUR = (Add(), Mul(), Mean(), Clamp(), Quantize(), Saturation(), Contrast())
_FILTERS = (Blur(), Edge(), Border())
_SIZES = (Pad(), Repeat(), Resize(), Crop(), CenterCrop(), RandomCrop())
_NOISE = (Noise(), GreyNoise(), CoarseNoise(), FrequencyNoise())
_PLACES = (Rotate(), RandomRotate(), RandomScale(), RandomTranslate(), Shift(), RandomShift())

TRANSFORMS: dict[str, Transform] = {kind.name: kind for kind in (*_COLOUR, *_FILTERS, *_SIZES, *_NOISE, *_PLACES)}
