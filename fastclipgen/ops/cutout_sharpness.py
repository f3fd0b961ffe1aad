"""Sharpness as a stage of cutouts, in plain torch: kornia's RandomSharpness, itself that of PIL.

A view is blended with itself smoothed by a 3 x 3 kernel; pixels at the edge stay as they are. Linear in the view, but
for the clamping to 0..1.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from fastclipgen.ops.colour import to_unit_range

_MIDDLE, _SUM = 5.0, 13.0  # of the kernel, whose other weights are 1


def sharpen(views: Tensor, factors: Tensor) -> Tensor:
    """Views [M, 3, S, S] in 0..1 with factors [M]: 0 is the smoothed view, 1 the view itself, to the bit."""
    if min(views.shape[-2:]) < 3:  # nothing but edges
        return views
    box = functional.avg_pool2d(views, 3, stride=1) * (9.0 / _SUM)
    middle = views[..., 1:-1, 1:-1]
    smooth = to_unit_range(box + middle * ((_MIDDLE - 1.0) / _SUM))
    amount = (1.0 - factors)[:, None, None, None]
    return views + functional.pad((smooth - middle) * amount, (1, 1, 1, 1))
