"""The compiled cutouts as torch ops: `fastclipgen::cutouts` and its gradient to the pictures.

Opaque to torch.compile, which sees only shapes. cutouts.py holds the plain-torch version that these equal; the kernels
are called in cutout_kernels_cpu.py (C++), cutout_kernels_cuda.py and kernels/cutouts.py (Triton).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fastclipgen.ops import cutout_kernels_cpu, cutout_kernels_cuda
from fastclipgen.ops.cutout_params import CutoutParams
from fastclipgen.ops.cutout_spec import PADDINGS
from fastclipgen.ops.cutout_warp import mip_range

_EACH = 4  # Padding::kEach of csrc/cutout_plan.h: views have paddings of their own
_NOISES = ("none", "normal", "uniform")


def render(
    images: Tensor,
    params: CutoutParams,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype,
    patch: int,
    deterministic: bool,
    backend: str,
    finish: bool = True,
) -> Tensor:
    """`cutouts` by a compiled backend, as library.choose gave it: images float32, bfloat16 or float16 [B, 3, H, W].

    finish: with what comes after colour (erasing, noise, clamping). Sharpness comes between and is not done here.
    Returns [B*N, 3, S, S] in `dtype`, or with patch = p > 0 the perceptor's patches [B*N, (S/p)**2, 3*p*p].
    """
    whole, real = plan(params, mean, std, patch, finish)
    return cutouts_op(images, *arrays_of(params), whole, real, dtype, deterministic, backend)


def arrays_of(params: CutoutParams) -> tuple[Tensor, ...]:
    """The tensors that `cutouts_op` takes after the pictures."""
    around = params.matrix.new_empty(0) if params.around is None else params.around
    drawn = (params.matrix, params.colour, params.erase, params.noise_scale, around, params.seeds)
    return *drawn, _step_word(params)


def plan(
    params: CutoutParams, mean: Sequence[float], std: Sequence[float], patch: int, finish: bool = True
) -> tuple[list[int], list[float]]:
    """The whole and the real numbers that csrc/bindings/cutouts.cpp reads into a CutoutPlan, in its order."""
    spec, first = params.spec, params.spec.parts(0)[0][0]
    batch, views = params.matrix.shape[:2]
    exact = spec.is_exact(params.height, params.width, params.size)
    low, high = (0, 0) if exact else mip_range(params)
    return [
        *(batch, views, params.height, params.width, params.size, patch, low, high),
        PADDINGS.index(first.padding) if params.around is None else _EACH,
        _NOISES.index(spec.noise) if spec.has_noise and finish else 0,
        *(int(exact), int(spec.has_perspective)),
        *(int(spec.has_light), int(spec.has_saturation), int(spec.has_hue)),
        *(int(spec.has_erasing and finish), int(spec.clamp and finish)),
    ], [float(value) for value in (*first.fill, *mean, *std)]


def _step_word(params: CutoutParams) -> Tensor:
    if isinstance(params.step, Tensor):
        return params.step.to(device=params.seeds.device, dtype=torch.int64)
    return torch.full((), params.step & 0xFFFFFFFF, dtype=torch.int64, device=params.seeds.device)


@torch.library.custom_op("fastclipgen::cutouts", mutates_args=())
def cutouts_op(
    images: Tensor,
    matrix: Tensor,
    colour: Tensor,
    erase: Tensor,
    noise_scale: Tensor,
    around: Tensor,
    seeds: Tensor,
    step: Tensor,
    whole: list[int],
    real: list[float],
    dtype: torch.dtype,
    deterministic: bool,
    backend: str,
) -> Tensor:
    """See `render`; whole and real are those of `plan`, step int64 0-d."""
    kernels = _kernels(backend)
    arrays = [t.contiguous() for t in (matrix, colour, erase, noise_scale, around, seeds)]
    views = images.new_empty(_shape(whole), dtype=_known(dtype, kernels))
    kernels.forward(images.to(_known(images.dtype, kernels)), arrays, step, whole, real, views)
    return views.to(dtype)


@cutouts_op.register_fake
def _(
    images: Tensor,
    matrix: Tensor,
    colour: Tensor,
    erase: Tensor,
    noise_scale: Tensor,
    around: Tensor,
    seeds: Tensor,
    step: Tensor,
    whole: list[int],
    real: list[float],
    dtype: torch.dtype,
    deterministic: bool,
    backend: str,
) -> Tensor:
    return images.new_empty(_shape(whole), dtype=dtype)


@torch.library.custom_op("fastclipgen::cutouts_backward", mutates_args=())
def cutouts_backward_op(
    grad: Tensor,
    images: Tensor,
    matrix: Tensor,
    colour: Tensor,
    erase: Tensor,
    noise_scale: Tensor,
    around: Tensor,
    seeds: Tensor,
    step: Tensor,
    whole: list[int],
    real: list[float],
    deterministic: bool,
    backend: str,
) -> Tensor:
    """The gradient to the pictures, [B, 3, H, W] in their dtype, from `grad` in the shape and dtype of the views."""
    kernels = _kernels(backend)
    arrays = [t.contiguous() for t in (matrix, colour, erase, noise_scale, around, seeds)]
    grads, pictures = grad.to(_known(grad.dtype, kernels)).contiguous(), images.to(_known(images.dtype, kernels))
    out = pictures.new_empty(images.shape)
    kernels.backward(grads, pictures, arrays, step, whole, real, deterministic, out)
    return out.to(images.dtype)


@cutouts_backward_op.register_fake
def _(
    grad: Tensor,
    images: Tensor,
    matrix: Tensor,
    colour: Tensor,
    erase: Tensor,
    noise_scale: Tensor,
    around: Tensor,
    seeds: Tensor,
    step: Tensor,
    whole: list[int],
    real: list[float],
    deterministic: bool,
    backend: str,
) -> Tensor:
    return images.new_empty(images.shape)


def _kernels(backend: str) -> ModuleType:
    if backend == "triton":
        # Triton is loaded only where it is used. Pyright does not see that the package holds kernels/.
        from fastclipgen.kernels import cutouts as triton_cutouts  # pyright: ignore[reportMissingImports]

        return triton_cutouts
    return cutout_kernels_cpu if backend == "cpp" else cutout_kernels_cuda


def _known(dtype: torch.dtype, kernels: ModuleType) -> torch.dtype:
    """The dtype that the kernels read or write in place of `dtype`."""
    return dtype if dtype in kernels.DTYPES else torch.float32


def _shape(whole: list[int]) -> list[int]:
    batch, views, size, patch = whole[0], whole[1], whole[4], whole[5]
    if patch == 0:
        return [batch * views, 3, size, size]
    return [batch * views, (size // patch) ** 2, 3 * patch * patch]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, whole, real, _, deterministic, backend = inputs
    ctx.save_for_backward(*tensors)
    ctx.static = (whole, real, deterministic, backend)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return cutouts_backward_op(grad, *ctx.saved_tensors, *ctx.static), *(None,) * 12


cutouts_op.register_autograd(_backward, setup_context=_setup)
