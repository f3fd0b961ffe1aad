"""Cutouts in the ops bench: the views of the loops, beside the way in which scripts draw them."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from fastclipgen.ops import cutout_kernels
from fastclipgen.ops.cutout_params import sample_cutouts
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.ops.cutout_resample import pooled
from fastclipgen.ops.cutouts import cutouts, reference_cutouts

from .op_case import REFERENCE, OpCase, Ready, Work
from .reference_views import view_drawer

OP = "cutouts"
MEAN, STD = (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)  # OpenAI's CLIP
# name -> preset, sides of picture and view, views; in small, sides and views of a toy
_CASES = {
    "R-A": ("original", 480, 224, 64),
    "R-A mips": ("crops", 480, 224, 64),
    "R-B": ("latest", 512, 224, 32),
    "DAS": ("das", 336, 224, 32),
}
# Operations for each number of a view: a lower bound that counts what the formulas need, once.
_GEOMETRY, _LANCZOS, _COLOUR, _NOISE, _NORMALISE = 20, 60, 40, 30, 2


def cases(batch: int, device: torch.device, small: bool) -> list[OpCase]:
    """The views of R-A (as its notebook resizes, and by mip levels), R-B and DAS."""
    shrink = 4 if small else 1
    return [
        _case(name, kind, side // shrink, size // shrink, 4 if small else views, batch, device)
        for name, (kind, side, size, views) in _CASES.items()
    ]


def _case(name: str, kind: str, side: int, size: int, views: int, batch: int, device: torch.device) -> OpCase:
    spec, dtype = preset(kind), torch.float32 if device.type == "cpu" else torch.bfloat16
    numbers = batch * views * 3 * size * size
    each = _NORMALISE + _COLOUR * spec.has_colour + _NOISE * spec.has_noise
    if not spec.integer_shift:
        each += _LANCZOS if spec.resample == "lanczos" else _GEOMETRY
    pictures = 4 * batch * 3 * side * side
    forward = Work(pictures + numbers * dtype.itemsize, numbers * each)
    # the gradient of the views is read, that of the pictures written, and the pictures are read again
    return OpCase(
        op=OP,
        name=f"{name} {side} to {views}x{size}",
        batch=batch,
        make=partial(_ready, kind, side, size, views, batch, dtype, device),
        forward=forward,
        backward=Work(forward.bytes + pictures, 2 * numbers * each),
        only_reference="Lanczos crops are two matrix products in plain torch" if spec.resample == "lanczos" else "",
    )


def _ready(kind: str, side: int, size: int, views: int, batch: int, dtype: torch.dtype, device: torch.device) -> Ready:
    spec = preset(kind)
    seeds = torch.arange(batch, dtype=torch.int64, device=device)
    step = torch.zeros((), dtype=torch.int64, device=device)
    params = sample_cutouts(spec, seeds, step, views, side, side, size)
    images = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_()
    drawers = [view_drawer(spec, size, picture, device) for picture in range(batch)]
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))

    def run(backend: str, images: Tensor) -> Tensor:
        seen = pooled(images, size) if spec.pool else images
        if backend == REFERENCE:
            return reference_cutouts(seen, params, MEAN, STD, dtype)
        return cutout_kernels.render(seen, params, MEAN, STD, dtype, 0, False, backend)

    def script(images: Tensor) -> Tensor:
        """What the loops do: one picture after the other, in float32."""
        drawn = [drawer.draw(image[None], views) for drawer, image in zip(drawers, images, strict=True)]
        return (torch.cat(drawn) - mean) / std

    def whole(images: Tensor) -> Tensor:
        drawn = sample_cutouts(spec, seeds, step, views, side, side, size)
        return cutouts(images, drawn, size, MEAN, STD, dtype)

    return Ready(run, (images,), ("script", script), whole)
