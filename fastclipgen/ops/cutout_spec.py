"""How views of a picture are drawn: plain numbers, validated. It knows nothing of torch, and of no preset
(cutout_presets.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from fastclipgen.errors import UserError, unknown

_FRAMES = ("square", "picture", "inside")
_NOISES = ("none", "normal", "uniform")
_RESAMPLES = ("mips", "lanczos")
PADDINGS = ("zeros", "border", "reflection", "colour")  # in the order of csrc/cutout_plan.h
_DRAWN_PADDINGS = ("alternate", "grey")
# Allowed range of each plain number, both ends included.
_LIMITS = {
    "crop_power": (0.0, math.inf),
    "overhang": (0.0, 1.0),
    "rotation": (0.0, 180.0),
    "shear": (0.0, 60.0),
    "affine_probability": (0.0, 1.0),
    "turn": (0.0, 180.0),
    "turn_probability": (0.0, 1.0),
    "perspective": (0.0, 0.8),
    "perspective_probability": (0.0, 1.0),
    "zoom_probability": (0.0, 1.0),
    "flip_probability": (0.0, 1.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "hue": (0.0, 0.5),
    "colour_probability": (0.0, 1.0),
    "sharpness": (0.0, 1.0),
    "sharpness_probability": (0.0, 1.0),
    "erase_probability": (0.0, 1.0),
    "grain": (0.0, 10.0),
    "grain_probability": (0.0, 1.0),
}
# Allowed range of each (low, high) pair; the low end must not exceed the high end.
_PAIRS = {
    "crop": (1e-3, 16.0),
    "aspect": (0.1, 10.0),
    "zoom": (1e-3, 1.0),
    "zoom_aspect": (0.1, 10.0),
    "erase_area": (0.0, 1.0),
    "erase_aspect": (0.05, 20.0),
    "noise_scale": (0.0, 10.0),
}


@dataclass(frozen=True)
class CutoutSpec:
    """Everything about how views are drawn. Probabilities are per view; every range is uniform unless said otherwise.

    The order is fixed: a crop of the picture, flipped; sheared, turned and shifted about its centre; turned again; seen
    in perspective; cropped again (`zoom`); then colour, sharpness, erasing, noise, clamping. What lies around a crop is
    the picture itself; `padding` is what lies around the picture. A spec with a mistake raises UserError when made.
    """

    # Crop: side = low + U**power * (high - low), as a fraction of the picture's short side (K. Crowson's cutouts).
    crop: tuple[float, float] = (1.0, 1.0)
    crop_power: float = 1.0
    # The low end of `crop` is at least one view pixel for each pixel of the picture, if the picture has so many: crops
    # are not enlarged.
    unenlarged: bool = False
    # "square" crops; crops with the "picture"'s own shape (fractions of width and height), squeezed into the view; or
    # the whole picture "inside" a square view, a little smaller and shifted to and fro (clipit's wide views; `crop`,
    # `aspect` and `overhang` have no say).
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
    # The pooled picture gets its shape back: its longer side is stretched before anything is cut out of it (clipit).
    stretch: bool = False
    # Before everything else the picture is brought to the view's size by bilinear interpolation, which reads four
    # neighbours and skips what lies between (clipping-CLIP-to-GAN).
    bilinear: bool = False
    # How crops are resized: "mips" blends two mip levels sampled bilinearly; "lanczos" takes whole-pixel crops through
    # a Lanczos-2 low-pass and bicubic interpolation between corner pixels (K. Crowson's cutouts).
    resample: str = "mips"

    rotation: float = 0.0  # up to +- degrees
    shear: float = 0.0  # up to +- degrees, along x
    translate: tuple[float, float] = (0.0, 0.0)  # up to +- fraction of the view's width, height
    affine_probability: float = 1.0  # of rotation, shear and translate together
    turn: float = 0.0  # a rotation of its own, up to +- degrees
    turn_probability: float = 0.0
    perspective: float = 0.0  # each corner moves inwards by up to this fraction of half the side
    perspective_probability: float = 1.0
    flip_probability: float = 0.0  # left-right

    # Of the view so far: a crop of this part of its area, with this width / height (log-uniform), resized to the view.
    zoom: tuple[float, float] = (1.0, 1.0)
    zoom_aspect: tuple[float, float] = (1.0, 1.0)
    zoom_probability: float = 0.0

    brightness: float = 0.0  # adds up to +- this
    contrast: float = 0.0  # multiplies by 1 +- up to this
    saturation: float = 0.0  # multiplies the HSV saturation by 1 +- up to this
    hue: float = 0.0  # turns the hue by up to +- this part of a full circle
    colour_probability: float = 1.0

    # Sharpness as kornia has it: a view becomes its smoothed self plus 0 to this much of the difference to it.
    sharpness: float = 0.0
    sharpness_probability: float = 0.0

    # Erasing: a rectangle of this fraction of the view becomes 0. Its height / width is drawn half the time below 1 and
    # half the time above, where the range holds 1.
    erase_area: tuple[float, float] = (0.0, 0.0)
    erase_aspect: tuple[float, float] = (0.3, 3.33)
    erase_probability: float = 0.0
    erase_shared: bool = False  # one rectangle for all views of a picture, as kornia's same_on_batch

    noise: str = "none"  # "none", "normal" N(0, 1) or "uniform" U[0, 1), times a scale per view
    noise_scale: tuple[float, float] = (0.0, 0.0)
    grain: float = 0.0  # standard deviation of further normal noise
    grain_probability: float = 0.0
    clamp: bool = False  # to 0..1, before the perceptor's normalisation
    # The perceptor gets values as -1..1 instead of by its own mean and standard deviation (clipping-CLIP-to-GAN).
    signed: bool = False

    # What lies around the picture: "zeros", "border", "reflection", "colour"; "alternate" is reflection at even steps
    # and border at odd ones; "grey" is one grey for all views of a picture, drawn anew at every step.
    padding: str = "border"
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
            ("padding", (*PADDINGS, *_DRAWN_PADDINGS)),
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
                "whole, flip, rotation, shear, translate, turn, perspective or zoom; drop those or integer_shift"
            )

        if self.resample == "lanczos" and not self._crops_only():
            raise UserError(
                'cutouts: resample "lanczos" resizes crops that lie inside the picture and cannot be combined with '
                "integer_shift, frame inside, aspect, overhang, flip, rotation, shear, translate, turn, perspective, "
                "zoom or crops above 1; "
                "drop those or resample"
            )

        if self.stretch and not self.pool:
            raise UserError(
                "cutouts: stretch gives a pooled picture its shape back and needs pool; set both or neither"
            )
        if self.pool and self.bilinear:
            raise UserError("cutouts: pool and bilinear are two ways to the same size; set one of them")
        if self.frame == "inside" and self.whole:
            raise UserError("cutouts: frame inside shows the whole picture in every view; drop whole or frame")
        if self.has_grain and self.noise != "normal":
            raise UserError(f'cutouts: grain adds to noise "normal", got "{self.noise}"; set that or drop grain')

    def _crops_only(self) -> bool:
        inside = self.crop[1] <= 1.0 and self.overhang == 0 and self.aspect == (1.0, 1.0) and not self.integer_shift
        return inside and self.frame != "inside" and not self._moves

    def _neutral_geometry(self) -> bool:
        default_crop = self.crop == (1.0, 1.0) and self.aspect == (1.0, 1.0) and self.overhang == 0 and self.whole == 0
        return default_crop and self.frame == "square" and not self._moves

    @property
    def _moves(self) -> bool:
        return self.has_affine or self.has_turn or self.has_perspective or self.has_flip or self.has_zoom

    # Static facts: what the op may skip without looking at a tensor.

    @property
    def has_affine(self) -> bool:
        return self.affine_probability > 0 and (self.rotation > 0 or self.shear > 0 or max(self.translate) > 0)

    @property
    def has_turn(self) -> bool:
        return self.turn_probability > 0 and self.turn > 0

    @property
    def has_perspective(self) -> bool:
        return self.perspective_probability > 0 and self.perspective > 0

    @property
    def has_flip(self) -> bool:
        return self.flip_probability > 0

    @property
    def has_zoom(self) -> bool:
        return self.zoom_probability > 0 and (self.zoom, self.zoom_aspect) != ((1.0, 1.0), (1.0, 1.0))

    @property
    def has_colour(self) -> bool:
        return self.colour_probability > 0 and max(self.brightness, self.contrast, self.saturation, self.hue) > 0

    @property
    def has_light(self) -> bool:
        return self.has_colour and max(self.brightness, self.contrast) > 0

    @property
    def has_saturation(self) -> bool:
        return self.has_colour and self.saturation > 0

    @property
    def has_hue(self) -> bool:
        return self.has_colour and self.hue > 0

    @property
    def has_sharpness(self) -> bool:
        return self.sharpness_probability > 0

    @property
    def has_grain(self) -> bool:
        return self.grain_probability > 0 and self.grain > 0

    @property
    def has_noise(self) -> bool:
        return self.noise != "none" and (self.noise_scale[1] > 0 or self.has_grain)

    @property
    def has_erasing(self) -> bool:
        return self.erase_probability > 0 and self.erase_area[1] > 0

    @property
    def shrinks(self) -> bool:
        """Whether crops and warps are taken of the picture in the view's size, not in its own."""
        return self.pool or self.bilinear

    def parts(self, views: int) -> list[tuple[CutoutSpec, int, int]]:
        """Which of so many views are drawn by which spec: (spec, first, last + 1)."""
        return [(self, 0, views)]

    def is_exact(self, height: int, width: int, size: int) -> bool:
        """Whether every view is a whole-pixel crop, so that nothing needs resampling."""
        if self.integer_shift:
            return True
        if self.resample == "lanczos":
            return False
        whole_only = self.crop == (1.0, 1.0) and self.aspect == (1.0, 1.0) and self.overhang == 0
        unmoved = not self._moves and self.frame != "inside" and not self.stretch
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
