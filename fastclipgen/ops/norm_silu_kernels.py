"""GroupNorm and SiLU with a backward pass of their own: in Triton, and in plain torch that keeps less.

In eager mode an `autograd.Function` calls the kernels itself. While a graph is compiled, and for tensors that stand for
others (fake tensors), the same are the opaque ops `fastclipgen::norm_silu` and `fastclipgen::norm_silu_backward`.
norm_silu.py has the plain version and says what is computed. Weights are frozen here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError

_REAL = (Tensor, torch.nn.Parameter)  # types that have memory of their own
_LAID_OUT = torch.channels_last


def norm_silu(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, backend: str) -> Tensor:
    """`ops.norm_silu.norm_silu` of checked arguments on "triton"."""
    if torch.compiler.is_compiling() or type(x) not in _REAL:
        return _op(x, weight, bias, groups, eps)[0]
    if torch.is_grad_enabled() and x.requires_grad:
        return _Eager.apply(x, weight, bias, groups, eps)  # pyright: ignore[reportReturnType]
    return _forward(x, weight, bias, groups, eps)[0]


def lean(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
    """The same in plain torch; backward normalises again instead of keeping what it normalised."""
    return _Lean.apply(x, weight, bias, groups, eps)  # pyright: ignore[reportReturnType]


def _forward(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The result, and float32 [B, groups]: means, and one over the deviations."""
    x = x.contiguous(memory_format=_LAID_OUT)
    out = torch.empty_like(x)
    mean = torch.empty((x.shape[0], groups), dtype=torch.float32, device=x.device)
    rstd = torch.empty_like(mean)
    with torch.cuda.device_of(x):
        _kernels().forward(x, weight.contiguous(), bias.contiguous(), out, mean, rstd, eps)
    return out, mean, rstd


def _backward(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor) -> Tensor:
    grad, x = (tensor.contiguous(memory_format=_LAID_OUT) for tensor in (grad, x))
    out = torch.empty_like(x)
    with torch.cuda.device_of(x):
        _kernels().backward(grad, x, weight.contiguous(), bias.contiguous(), mean, rstd, out)
    return out


def _kernels() -> Any:
    # Triton is loaded only where it is used. Pyright does not see that the package holds kernels/.
    from fastclipgen.kernels import norm_silu as triton_norm_silu  # pyright: ignore[reportMissingImports]

    return triton_norm_silu


def _once() -> None:
    # only with create_graph=True
    if torch.is_grad_enabled():
        raise UserError("norm_silu: frozen weights have no second derivative here; call ops.norm_silu.reference for it")


@torch.library.custom_op("fastclipgen::norm_silu", mutates_args=())
def _op(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    return _forward(x, weight, bias, groups, eps)


@_op.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    numbers = x.new_empty((x.shape[0], groups), dtype=torch.float32)
    return torch.empty_like(x, memory_format=_LAID_OUT), numbers, torch.empty_like(numbers)


@torch.library.custom_op("fastclipgen::norm_silu_backward", mutates_args=())
def _op_backward(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, rstd: Tensor) -> Tensor:
    return _backward(grad, x, weight, bias, mean, rstd)


@_op_backward.register_fake
def _(grad: Tensor, x: Tensor, *rest: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=_LAID_OUT)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, *_ = inputs
    ctx.save_for_backward(x, weight, bias, *output[1:])
    ctx.mark_non_differentiable(*output[1:])


_op.register_autograd(
    lambda ctx, grad, *_: (_op_backward(grad, *ctx.saved_tensors), None, None, None, None), setup_context=_keep
)


class _Eager(torch.autograd.Function):
    """`_op` without the dispatcher."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        out, mean, rstd = _forward(x, weight, bias, groups, eps)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        _once()
        return _backward(grad, *ctx.saved_tensors), None, None, None, None


class _Lean(torch.autograd.Function):
    """Plain torch, which normalises twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        batch, channels, height, width = x.shape
        sizes = batch, channels, height * width, groups
        out, mean, rstd = torch.native_group_norm(x, weight.to(x.dtype), bias.to(x.dtype), *sizes, eps)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.sizes = sizes
        return F.silu(out, inplace=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        _once()
        x, weight, bias, mean, rstd = ctx.saved_tensors
        batch, channels, pixels, groups = ctx.sizes
        scale = rstd.float().repeat_interleave(channels // groups, 1) * weight.float()  # [B, C]
        shift = bias.float() - mean.float().repeat_interleave(channels // groups, 1) * scale
        lit = torch.addcmul(shift[..., None, None].to(x.dtype), x, scale[..., None, None].to(x.dtype))
        slope = torch.ops.aten.silu_backward.grad_input(grad, lit, grad_input=lit)
        found = torch.ops.aten.native_group_norm_backward(
            slope, x, mean, rstd, weight.to(x.dtype), batch, channels, pixels, groups, [True, False, False]
        )[0]
        return found, None, None, None, None
