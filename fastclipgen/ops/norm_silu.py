"""GroupNorm (Wu & He, arXiv 1803.08494) and SiLU of maps: what stands before every convolution of a VQGAN.

Where the weights are frozen the backward pass keeps the map that came in and two numbers a group, not the normalised
map as well. Knows nothing of the networks that it is part of.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.ops import library, norm_silu_kernels

DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # of maps that compiled backends take


def reference(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
    """Plain torch: any dtype, gradients of everything, second derivatives."""
    return F.silu(F.group_norm(x, groups, weight, bias, eps))


def norm_silu(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, *, backend: str = "auto") -> Tensor:
    """SiLU(GroupNorm(x)) of x [B, C, h, w], in x's dtype, from statistics in float32.

    weight, bias: [C], of any floating dtype; groups: a divisor of C. On a GPU x is taken and the result comes in
    channels_last. `backend` "auto" is what library.choose gives for x's device; where weight or bias need a gradient,
    and for other dtypes, it is the reference. Raises UserError.
    """
    if x.ndim != 4 or x.shape[1] % max(groups, 1) or groups < 1 or not weight.shape == bias.shape == x.shape[1:2]:
        raise UserError(
            f"norm_silu takes maps [B, C, h, w], a weight and a bias [C] and groups that divide C, got "
            f"{list(x.shape)}, {list(weight.shape)}, {list(bias.shape)} and {groups} groups"
        )
    chosen = library.choose("norm_silu", x.device, backend)
    learns = torch.is_grad_enabled() and (weight.requires_grad or bias.requires_grad)
    if learns or x.dtype not in DTYPES or not x.numel():
        return reference(x, weight, bias, groups, eps)
    if chosen == "reference":
        # a compiler decides for itself what to keep
        wanted = torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling()
        return (norm_silu_kernels.lean if wanted else reference)(x, weight, bias, groups, eps)
    return norm_silu_kernels.norm_silu(x, weight, bias, groups, eps, chosen)
