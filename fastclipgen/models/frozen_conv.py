"""A convolution that keeps nothing of its input where its weights are frozen. Knows nothing of networks.

torch's own keeps its input for the gradient of the weights, whether anybody asks for that or not.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Conv2d):
    """nn.Conv2d, [B, C, h, w] -> [B, C', h', w'], with the same gradients and less memory while its weights are frozen.

    A compiler, which decides for itself what to keep, gets the plain convolution.
    """

    def forward(self, input: Tensor) -> Tensor:
        frozen = torch.is_grad_enabled() and input.requires_grad and not self.weight.requires_grad
        if not frozen or self.padding_mode != "zeros" or torch.compiler.is_compiling():
            return super().forward(input)
        found: Any = _Frozen.apply(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return found


class _Frozen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.how, ctx.shape = how, x.shape
        ctx.form = (
            torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        )
        return F.conv2d(x, weight, bias, *how)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (weight,) = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.how
        # of the input only size and layout are looked at
        like = torch.empty(ctx.shape, dtype=grad.dtype, device=grad.device, memory_format=ctx.form)
        found = torch.ops.aten.convolution_backward(
            grad, like, weight, None, stride, padding, dilation, False, [0, 0], groups, [True, False, False]
        )[0]
        return found, *(None,) * 6
