"""How views of a picture are drawn: plain numbers, validated, with named presets. It knows nothing of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from fastclipgen.errors import UserError, unknown

_FRAMES = ("square", "picture")
_NOISES = ("none", "normal", "uniform")
_RESAMPLES = ("mips", "lanczos")
_PADDINGS = ("zeros", "border", "reflection", "colour")
# Allowed range of each plain number, both ends included.
_LIMITS = {
    "crop_power": (0.0, math.inf),
    "overhang": (0.0, 1.0),
    "rotation": (0.0, 180.0),
    "shear": (0.0, 60.0),
    "affine_probability": (0.0, 1.0),
    "perspective": (0.0, 0.8),
    "perspective_probability": (0.0, 1.0),
    "flip_probability": (0.0, 1.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "hue": (0.0, 0.5),
    "colour_probability": (0.0, 1.0),
    "erase_probability": (0.0, 1.0),
}
# Allowed range of each (low, high) pair; the low end must not exceed the high end.
_PAIRS = {
    "crop": (1e-3, 16.0),
    "aspect": (0.1, 10.0),
    "erase_area": (0.0, 1.0),
    "erase_aspect": (0.05, 20.0),
    "noise_scale": (0.0, 10.0),
}


@dataclass(frozen=True)
class CutoutSpec:
    """Everything about how views are drawn. Probabilities are per view; every range is uniform unless said otherwise.

    A view is a crop, flipped, then sheared, turned and shifted about its centre, then seen in perspective; then colour,
    erasing, noise. A spec with a mistake raises UserError when it is made.
    """

    # Crop: side = low + U**power * (high - low), as a fraction of the picture's short side (K. Crowson's cutouts).
    crop: tuple[float, float] = (1.0, 1.0)
    crop_power: float = 1.0
    # "square" crops, or crops with the "picture"'s own shape (fractions of width and height), squeezed into the view.
    frame: str = "square"
    # Fraction of its side by which a crop may stick out of the picture; a crop larger than the picture contains it.
    overhang: float = 0.0
    # Width / height of the crop, log-uniform, at constant area.
    aspect: tuple[float, float] = (1.0, 1.0)
    # Exact crops of the perceptor's size at whole-pixel offsets, nothing resampled (Direct Ascent Synthesis).
    integer_shift: bool = False
    # With integer_shift: one offset for all pictures of a batch (view n of each), not one each.
    shared_shift: bool = False
    # How many of the first views are the whole picture resized, without any geometry.
    whole: int = 0
    # Before everything else the picture is brought to the view's size by the mean of its average and its maximum
    # pooling (nerdyrodent's cuts); crops and warps are then taken of that.
    pool: bool = False
    # How crops are resized: "mips" blends two mip levels sampled bilinearly; "lanczos" takes whole-pixel crops through
    # a Lanczos-2 low-pass and bicubic interpolation between corner pixels (K. Crowson's cutouts).
    resample: str = "mips"

    rotation: float = 0.0  # up to +- degrees
    shear: float = 0.0  # up to +- degrees, along x
    translate: tuple[float, float] = (0.0, 0.0)  # up to +- fraction of the view's width, height
    affine_probability: float = 1.0  # of rotation, shear and translate together
    perspective: float = 0.0  # each corner moves inwards by up to this fraction of half the side
    perspective_probability: float = 1.0
    flip_probability: float = 0.0  # left-right

    brightness: float = 0.0  # adds up to +- this
    contrast: float = 0.0  # multiplies by 1 +- up to this
    saturation: float = 0.0  # multiplies the HSV saturation by 1 +- up to this
    hue: float = 0.0  # turns the hue by up to +- this part of a full circle
    colour_probability: float = 1.0

    # Erasing: a rectangle of this fraction of the view becomes 0. Its height / width is drawn half the time below 1 and
    # half the time above, where the range holds 1.
    erase_area: tuple[float, float] = (0.0, 0.0)
    erase_aspect: tuple[float, float] = (0.3, 3.33)
    erase_probability: float = 0.0
    erase_shared: bool = False  # one rectangle for all views of a picture, as kornia's same_on_batch

    noise: str = "none"  # "none", "normal" N(0, 1) or "uniform" U[0, 1), times a scale per view
    noise_scale: tuple[float, float] = (0.0, 0.0)
    clamp: bool = False  # to 0..1, before the perceptor's normalisation

    padding: str = "border"  # what lies around the picture: "zeros", "border", "reflection" or "colour"
    fill: tuple[float, float, float] = (0.5, 0.5, 0.5)  # for padding "colour"

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_number(field.name, getattr(self, field.name), isinstance(field.default, tuple), field.default)
        for name, (low, high) in _LIMITS.items():
            _check_range(name, getattr(self, name), low, high)
        for name, (low, high) in _PAIRS.items():
            start, end = getattr(self, name)
            _check_range(name, start, low, high)
            _check_range(name, end, low, high)
            if start > end:
                raise UserError(f"cutouts: {name} must be (low, high), got ({start}, {end}); swap the two numbers")
        for name in ("translate", "fill"):
            for value in getattr(self, name):
                _check_range(name, value, 0.0, 1.0)
        for kind, known in (
            ("frame", _FRAMES),
            ("noise", _NOISES),
            ("padding", _PADDINGS),
            ("resample", _RESAMPLES),
        ):
            if getattr(self, kind) not in known:
                raise unknown(f"cutout {kind}", str(getattr(self, kind)), known)
        if self.whole < 0:
            raise UserError(f"cutouts: whole must be a number of views, 0 or more, got {self.whole}")
        if self.shared_shift and not self.integer_shift:
            raise UserError("cutouts: shared_shift needs integer_shift; set both or neither")
        if self.integer_shift and not self._neutral_geometry():
            raise UserError(
                "cutouts: integer_shift takes exact crops and cannot be combined with crop, aspect, frame, overhang, "
                "whole, flip, rotation, shear, translate or perspective; drop those or integer_shift"
            )

        if self.resample == "lanczos" and not self._crops_only():
            raise UserError(
                'cutouts: resample "lanczos" resizes crops that lie inside the picture and cannot be combined with '
                "integer_shift, aspect, overhang, flip, rotation, shear, translate, perspective or crops above 1; "
                "drop those or resample"
            )

    def _crops_only(self) -> bool:
        inside = self.crop[1] <= 1.0 and self.overhang == 0 and self.aspect == (1.0, 1.0) and not self.integer_shift
        return inside and not (self.has_affine or self.has_perspective or self.has_flip)

    def _neutral_geometry(self) -> bool:
        default_crop = self.crop == (1.0, 1.0) and self.aspect == (1.0, 1.0) and self.overhang == 0 and self.whole == 0
        return (
            default_crop and self.frame == "square" and not (self.has_affine or self.has_perspective or self.has_flip)
        )

    # Static facts: what the op may skip without looking at a tensor.

    @property
    def has_affine(self) -> bool:
        return self.affine_probability > 0 and (self.rotation > 0 or self.shear > 0 or max(self.translate) > 0)

    @property
    def has_perspective(self) -> bool:
        return self.perspective_probability > 0 and self.perspective > 0

    @property
    def has_flip(self) -> bool:
        return self.flip_probability > 0

    @property
    def has_colour(self) -> bool:
        return self.colour_probability > 0 and max(self.brightness, self.contrast, self.saturation, self.hue) > 0

    @property
    def has_noise(self) -> bool:
        return self.noise != "none" and self.noise_scale[1] > 0

    @property
    def has_erasing(self) -> bool:
        return self.erase_probability > 0 and self.erase_area[1] > 0

    def is_exact(self, height: int, width: int, size: int) -> bool:
        """Whether every view is a whole-pixel crop, so that nothing needs resampling."""
        if self.integer_shift:
            return True
        if self.resample == "lanczos":
            return False
        unmoved = not (self.has_affine or self.has_perspective or self.has_flip)
        whole_only = self.crop == (1.0, 1.0) and self.aspect == (1.0, 1.0) and self.overhang == 0
        return unmoved and whole_only and height == width == size


def _check_number(name: str, value: object, is_tuple: bool, default: object) -> None:
    """Types first, so that the comparisons that follow cannot fail with a traceback."""
    if is_tuple:
        length = len(default)  # type: ignore[arg-type]
        if not isinstance(value, tuple) or len(value) != length or not all(_is_number(v) for v in value):
            raise UserError(f"cutouts: {name} must be {length} numbers, got {value!r}")
        return
    if isinstance(default, bool):
        ok, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, str):
        ok, wanted = isinstance(value, str), "a name"
    elif isinstance(default, int):
        ok, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    else:
        ok, wanted = _is_number(value), "a number"
    if not ok:
        raise UserError(f"cutouts: {name} must be {wanted}, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        limits = f"{low:g} or more" if high == math.inf else f"between {low:g} and {high:g}"
        raise UserError(f"cutouts: {name} must be {limits}, got {value:g}")


PRESETS: dict[str, CutoutSpec] = {
    # Direct Ascent Synthesis (Fort & Whitaker 2025, arXiv 2502.07753): whole-pixel shifts, uniform noise of mean 0.1.
    "das": CutoutSpec(integer_shift=True, noise="uniform", noise_scale=(0.2, 0.2), clamp=True),
    # K. Crowson's VQGAN+CLIP cutouts (z+quantize notebook), with the smallest crop of a 480 px picture at 224 px as a
    # fraction, and mip levels with bilinear sampling in place of Lanczos and bicubic: a few per cent of its time.
    "crops": CutoutSpec(crop=(0.47, 1.0)),
    # The same with the notebook's own resampling.
    "crowson": CutoutSpec(crop=(0.47, 1.0), resample="lanczos", clamp=True),
    # nerdyrodent/VQGAN-CLIP, cut method "latest". Its affine stage shifts vertically only, as kornia 0.5.4 did; colour
    # stages come in a fixed order; what its affine stage cuts off at the frame stays visible to the perspective stage.
    "vqgan": CutoutSpec(
        pool=True,
        frame="picture",
        rotation=15.0,
        shear=5.0,
        translate=(0.0, 0.1),
        affine_probability=0.7,
        perspective=0.7,
        perspective_probability=0.7,
        brightness=0.1,
        contrast=0.1,
        saturation=0.1,
        hue=0.1,
        colour_probability=0.7,
        erase_area=(0.1, 0.4),
        erase_probability=0.7,
        erase_shared=True,
        noise="normal",
        noise_scale=(0.0, 0.1),
        padding="zeros",
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
    # The whole picture and nothing else: what a perceptor sees when a finished picture is scored.
    "plain": CutoutSpec(frame="picture"),
}


def preset(name: str) -> CutoutSpec:
    """The preset called `name`; UserError with the nearest name when there is none."""
    if name not in PRESETS:
        raise unknown("cutout preset", name, PRESETS)
    return PRESETS[name]
