"""Views of one picture, the way scripts for this job draw them: whoever made a preset's views, draws them here.

PlainViews is for presets that have no loop of their own: one view at a time by slicing, F.interpolate, torchvision, the
same kinds and ranges as fastclipgen's cutouts with the libraries' own semantics (zeros around turned views,
multiplicative brightness), so pictures and times compare, single views do not.
"""

from __future__ import annotations

import math
import random
from typing import Protocol

import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from torch import Tensor
from torchvision.transforms import InterpolationMode

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_mix import AnySpec, CutoutMix
from fastclipgen.ops.cutout_spec import CutoutSpec

from .loop_ra_views import NotebookViews
from .loop_rb_views import ChainViews


class Views(Protocol):
    """How a loop draws its views."""

    def draw(self, image: Tensor, count: int) -> Tensor:
        """`count` new views [N, 3, S, S] of a picture [1, 3, H, W], before the perceptor's mean and std."""
        ...


def view_drawer(spec: AnySpec, size: int, seed: int, device: torch.device) -> Views:
    """What draws a preset's views of `size` pixels: pooled ones as R-B does, Lanczos crops as R-A does, the others
    plainly. Raises UserError for what no loop draws."""
    if isinstance(spec, CutoutMix):
        raise UserError("the reference loop draws no two kinds of views; measure another cutout preset")
    if spec.pool:
        return ChainViews(spec, size, seed, device)
    if spec.resample == "lanczos":
        return NotebookViews(spec, size, seed)
    return PlainViews(spec, size, seed, device)


class PlainViews:
    """Draws views of `size` pixels of one picture. Raises UserError for what the reference does not draw."""

    def __init__(self, spec: CutoutSpec, size: int, seed: int, device: torch.device) -> None:
        facts = ("whole", "bilinear", "signed", "has_turn", "has_zoom", "has_grain")
        unknown = [name for name in facts if getattr(spec, name)]
        unknown += ["aspect"] if spec.aspect != (1.0, 1.0) else []
        if unknown:
            raise UserError(
                f"the reference loop draws no views with {' and '.join(unknown)}; measure another cutout preset"
            )
        self.spec, self.size = spec, size
        self.room = [0, 0]  # rows and columns that `_pad` puts on each side
        self.random = random.Random(seed)
        self.noise = torch.Generator(device).manual_seed(seed)

    def draw(self, image: Tensor, count: int) -> Tensor:
        padded = self._pad(image)
        return torch.cat([self._view(padded) for _ in range(count)])

    def _pad(self, image: Tensor) -> Tensor:
        """The picture [1, 3, H, W] with room for crops that stick out."""
        spec, (height, width) = self.spec, image.shape[-2:]
        if spec.integer_shift:
            return image
        over = [
            math.ceil(side * spec.crop[1] * spec.overhang + max(0.0, side * spec.crop[1] - length))
            for side, length in zip(self._frame(height, width), (height, width), strict=True)
        ]
        self.room = over
        if not any(over):
            return image
        mode = "replicate" if spec.padding in ("border", "reflection") else "constant"
        return F.pad(image, [over[1], over[1], over[0], over[0]], mode=mode)

    def _view(self, padded: Tensor) -> Tensor:
        """One view [1, 3, S, S] of what `_pad` returned."""
        spec, size = self.spec, self.size
        view = self._crop(padded)
        if self.random.random() < spec.flip_probability:
            view = TF.hflip(view)
        view = self._colour(self._warp(view))
        if self.random.random() < spec.sharpness_probability:
            view = TF.adjust_sharpness(view, self.random.uniform(0, spec.sharpness))
        if spec.has_erasing and self.random.random() < spec.erase_probability:
            view = self._erase(view)
        if spec.has_noise:
            scale = self.random.uniform(*spec.noise_scale)
            make = torch.randn if spec.noise == "normal" else torch.rand
            view = view + scale * make(1, 3, size, size, generator=self.noise, device=view.device)
        return view.clamp(0, 1) if spec.clamp else view

    def _frame(self, height: int, width: int) -> tuple[int, int]:
        short = min(height, width)
        return (height, width) if self.spec.frame == "picture" else (short, short)

    def _crop(self, padded: Tensor) -> Tensor:
        spec, size = self.spec, self.size
        height, width = padded.shape[-2:]
        if spec.integer_shift:
            y, x = self.random.randint(0, height - size), self.random.randint(0, width - size)
            return padded[..., y : y + size, x : x + size]
        frame = self._frame(height - 2 * self.room[0], width - 2 * self.room[1])
        low = max(spec.crop[0], min(1.0, size / min(frame))) if spec.unenlarged else spec.crop[0]
        share = low + self.random.random() ** spec.crop_power * (spec.crop[1] - low)
        rows, cols = (max(1, round(length * share)) for length in frame)
        # as far out as the overhang allows; a crop that is larger than the picture contains it
        y = self._offset(height, rows, self.room[0])
        x = self._offset(width, cols, self.room[1])
        crop = padded[..., y : y + rows, x : x + cols]
        return F.interpolate(crop, (size, size), mode="bilinear", align_corners=False, antialias=True)

    def _offset(self, padded: int, side: int, room: int) -> int:
        length, over = padded - 2 * room, int(side * self.spec.overhang)
        ends = sorted((-over, length - side + over))
        return max(0, min(room + self.random.randint(*ends), padded - side))

    def _warp(self, view: Tensor) -> Tensor:
        spec, size, uniform = self.spec, self.size, self.random.uniform
        if spec.has_affine and self.random.random() < spec.affine_probability:
            shift = [round(uniform(-1, 1) * part * size) for part in spec.translate]
            angle, shear = uniform(-spec.rotation, spec.rotation), uniform(-spec.shear, spec.shear)
            view = TF.affine(view, angle, shift, 1.0, [shear, 0.0], InterpolationMode.BILINEAR)
        if spec.has_perspective and self.random.random() < spec.perspective_probability:
            last, reach = size - 1, spec.perspective * size / 2
            corners = [[0, 0], [last, 0], [last, last], [0, last]]
            moved = [[round(abs(v - uniform(0, reach))) for v in corner] for corner in corners]
            view = TF.perspective(view, corners, moved, InterpolationMode.BILINEAR)
        return view

    def _colour(self, view: Tensor) -> Tensor:
        spec, uniform = self.spec, self.random.uniform
        if not spec.has_colour or self.random.random() >= spec.colour_probability:
            return view
        view = TF.adjust_brightness(view, 1 + uniform(-spec.brightness, spec.brightness))
        view = TF.adjust_contrast(view, 1 + uniform(-spec.contrast, spec.contrast))
        view = TF.adjust_saturation(view, 1 + uniform(-spec.saturation, spec.saturation))
        return TF.adjust_hue(view, uniform(-spec.hue, spec.hue))

    def _erase(self, view: Tensor) -> Tensor:
        area = self.random.uniform(*self.spec.erase_area) * self.size**2
        aspect = self.random.uniform(*self.spec.erase_aspect)
        rows, cols = (min(self.size, max(1, round(math.sqrt(v)))) for v in (area * aspect, area / aspect))
        y, x = self.random.randint(0, self.size - rows), self.random.randint(0, self.size - cols)
        return TF.erase(view, y, x, rows, cols, torch.zeros((), device=view.device))
