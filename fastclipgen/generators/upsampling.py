"""Bicubic upsampling as matrices, and the lists of resolutions a stack of pictures is made of.

Upsampling an r_h x r_w picture P to H x W is linear and separable: up(P) = U_h P U_w^T. Knows nothing of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fastclipgen.errors import UserError


def bicubic_matrix(size: int, resolution: int, antialias: bool = False) -> Tensor:
    """U [size, resolution] float64 on the CPU: torch's bicubic resizing (align_corners=False) along one axis.
    antialias: with a low-pass where it makes smaller."""
    unit = torch.eye(resolution, dtype=torch.float64)
    rows = F.interpolate(unit[None, None], (size, resolution), mode="bicubic", align_corners=False, antialias=antialias)
    return rows[0, 0]


def resolution_pairs(height: int, width: int, resolutions: Sequence[int]) -> list[tuple[int, int]]:
    """(rows, columns) of each resolution r, counted along the longer side of the canvas.

    The shorter side gets its share, rounded half up and at least 1; on a square canvas every pair is (r, r).
    """
    longer = max(height, width)
    return [
        (max(1, (2 * r * height + longer) // (2 * longer)), max(1, (2 * r * width + longer) // (2 * longer)))
        for r in resolutions
    ]


def geometric_resolutions(longest: int, count: int = 10) -> list[int]:
    """About `count` whole sizes from 1 to `longest`, growing by a constant factor (fewer where they would repeat)."""
    steps = max(1, min(count, longest) - 1)
    return sorted({round(longest ** (i / steps)) for i in range(steps + 1)} | {1, longest})


def check_resolutions(resolutions: Sequence[int], longest: int) -> list[int]:
    """`resolutions` sorted; raises UserError unless they are distinct whole numbers from 1 to `longest`."""
    listed = sorted(resolutions)
    if not listed or len(set(listed)) != len(listed) or listed[0] < 1 or listed[-1] > longest:
        raise UserError(
            f"option 'resolutions' of generator 'stack' must be different whole numbers from 1 to {longest}, "
            f"the longer side of the canvas, got {list(resolutions)}"
        )
    return listed
