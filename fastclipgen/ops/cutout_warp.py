"""The geometry of cutouts in plain torch: exact crops, and antialiased warps over mip levels. It knows no colours.

All views of a picture are taken by one tall sampling grid per mip level, so pictures are never expanded per view.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.ops.cutout_geometry import MIN_W, crop_range, inside_range, unpooled
from fastclipgen.ops.cutout_params import CutoutParams
from fastclipgen.ops.cutout_spec import PADDINGS, CutoutSpec

# Views that shrink by less than this are sampled from the full resolution alone: bilinear sampling hardly aliases.
_SHARP_SCALE = 1.25
_GRID_PADDING = {"zeros": "zeros", "border": "border", "reflection": "reflection", "colour": "zeros"}


def warp(images: Tensor, params: CutoutParams, deterministic: bool) -> Tensor:
    """The views before colour: images [B, 3, H, W] -> [B, 3, N, S, S], same dtype, differentiable."""
    if params.spec.is_exact(params.height, params.width, params.size):
        return exact_crops(images, params)
    if params.around is not None:
        return sample_mips(images, params, deterministic)
    if _padding(params) == "colour":
        # Sampling with zeros around the difference to the fill colour puts the fill colour around the picture.
        spec = params.spec.parts(0)[0][0]
        fill = torch.stack([images.new_full((1, 1, 1), value) for value in spec.fill], dim=1)  # [1, 3, 1, 1]
        return sample_mips(images - fill, params, deterministic) + fill[..., None]
    return sample_mips(images, params, deterministic)


def exact_crops(images: Tensor, params: CutoutParams) -> Tensor:
    """Whole-pixel crops, bit-exact. The backward accumulates by sorted index: in a fixed order on every device."""
    place = torch.arange(params.size, device=images.device)
    x = params.matrix[..., 0, 2].to(torch.int64)[..., None] + place  # [B, N, S]
    y = params.matrix[..., 1, 2].to(torch.int64)[..., None] + place
    index = (y[..., :, None] * params.width + x[..., None, :]).flatten(1)  # [B, N*S*S]
    return _take(images, index).unflatten(-1, (-1, params.size, params.size))


def mip_range(params: CutoutParams) -> tuple[int, int]:
    """The lowest and highest mip level that any view of this spec can need, from sizes alone: no look at a tensor."""
    sides = [side for spec, _, _ in params.spec.parts(0) for side in _sides(spec, params)]
    # Rounding must not add a level for a scale of exactly 2**k.
    low = math.floor(_level_of(min(sides) / params.size) + 1e-6)
    high = math.ceil(_level_of(max(sides) / params.size) - 1e-6)
    coarsest = max(0, min(params.height, params.width).bit_length() - 1)
    return min(low, coarsest), min(high, coarsest)


def _sides(spec: CutoutSpec, params: CutoutParams) -> list[float]:
    """The smallest and the largest side of what views may show, in pixels: roots of areas."""
    tall, wide = unpooled(spec, params.height, params.width, params.aspect)
    area_side = math.sqrt(params.height * params.width)
    # of a square as long as the short side, where stretching has changed the area
    unit = (
        min(tall, wide) * math.sqrt(params.height * params.width / (tall * wide)) if spec.stretch else min(tall, wide)
    )
    if spec.frame == "inside":
        low, high = inside_range(tall, wide)
        sides = [unit / high, unit / low]
    else:
        frame = unit if spec.frame == "square" else area_side
        sides = [share * frame for share in crop_range(spec, tall, wide, params.size)]
    sides = sides if spec.whole < params.matrix.shape[1] else []
    sides += [area_side] if spec.whole else []
    shrink = 1.0 / (1.0 - spec.perspective) if spec.has_perspective else 1.0
    nearer = math.sqrt(spec.zoom[0]) if spec.has_zoom else 1.0
    return [min(sides) * nearer, max(sides) * shrink]


def _level_of(scale: float) -> float:
    level = math.log2(max(scale, 1.0))
    start = math.log2(_SHARP_SCALE)
    return level if level >= 1.0 else max(0.0, (level - start) / (1.0 - start))


def view_levels(matrix: Tensor, size: int) -> Tensor:
    """The mip level of each view [B, N] from its scale at the centre: the root of the Jacobian's determinant there."""
    half = 0.5 * size
    x = (matrix[..., 0, 0] + matrix[..., 0, 1]) * half + matrix[..., 0, 2]
    y = (matrix[..., 1, 0] + matrix[..., 1, 1]) * half + matrix[..., 1, 2]
    g, h = matrix[..., 2, 0], matrix[..., 2, 1]
    determinant = (matrix[..., 0, 0] - x * g) * (matrix[..., 1, 1] - y * h) - (matrix[..., 0, 1] - x * h) * (
        matrix[..., 1, 0] - y * g
    )
    level = 0.5 * torch.log2(determinant.abs().clamp_min(1.0))
    start = math.log2(_SHARP_SCALE)
    return torch.where(level >= 1.0, level, ((level - start) / (1.0 - start)).clamp_min(0.0))


def sample_mips(images: Tensor, params: CutoutParams, deterministic: bool) -> Tensor:
    """Each view blended from its two adjacent mip levels, made by 2x2 averaging and sampled bilinearly."""
    size, (low, high) = params.size, mip_range(params)
    points = source_points(params.matrix, size, params.spec.has_perspective).to(images.dtype)  # [B, N*S, S, 2]
    level = view_levels(params.matrix, size).clamp(low, high).to(images.dtype)  # [B, N]
    padding = "border" if params.around is not None else _GRID_PADDING[_padding(params)]
    # On a CPU, grid_sample's backward walks through a picture in order; on other devices it adds atomically.
    sample = sample_by_index if deterministic and images.device.type != "cpu" else sample_by_grid
    mip = images
    for _ in range(low):
        mip = _halve(mip)
    views = images.new_zeros(())
    for k in range(low, high + 1):
        if k > low:
            mip = _halve(mip)
        if params.around is None:
            sampled = sample(mip, points * 0.5**k, padding).unflatten(2, (-1, size))  # [B, 3, N, S, S]
        else:
            sampled = _sample_around(mip, points * 0.5**k, params.around, sample)
        if low == high:
            return sampled
        share = (1.0 - (level - k).abs()).clamp_min(0.0)  # [B, N]
        views = views + sampled * share[:, None, :, None, None]
    return views


def _padding(params: CutoutParams) -> str:
    return params.spec.parts(0)[0][0].padding


def _sample_around(images: Tensor, points: Tensor, around: Tensor, sample: Callable[..., Tensor]) -> Tensor:
    """Samples [B, 3, N, S, S] of which each view has its own padding (CutoutParams.around); points: [B, N*S, S, 2].

    Everything is read with the border around it: reflection moves the points, and where there is nothing, what is read
    gives way to the fill colour as the border's last half pixel does.
    """
    height, width = images.shape[-2:]
    points = points.unflatten(1, (around.shape[1], -1))  # [B, N, S, S, 2]
    kind = around[:, :, :1, None]  # [B, N, 1, 1]
    length = torch.stack((points.new_full((), width), points.new_full((), height)))
    mirrored = length - (torch.remainder(points, 2 * length) - length).abs()
    points = torch.where((kind == PADDINGS.index("reflection"))[..., None], mirrored, points)
    inside = torch.minimum(points + 0.5, length - points + 0.5).clamp(0.0, 1.0).prod(-1)  # [B, N, S, S]
    closed = (kind == PADDINGS.index("border")) | (kind == PADDINGS.index("reflection"))
    inside = torch.where(closed, 1.0, inside)[:, None]
    sampled = sample(images, points.flatten(1, 2), "border").unflatten(2, (-1, points.shape[3]))
    fill = around[..., 1:].movedim(-1, 1)[..., None, None].to(images.dtype)  # [B, 3, N, 1, 1]
    return sampled * inside + fill * (1.0 - inside)


def _halve(images: Tensor) -> Tensor:
    """2x2 means; an odd last row or column is averaged alone, so the picture's edge stays where it is."""
    return functional.avg_pool2d(images, 2, ceil_mode=True, count_include_pad=False)


def source_points(matrix: Tensor, size: int, perspective: bool) -> Tensor:
    """Continuous source coordinates (x, y) of every view pixel: [B, N*S, S, 2] float32."""
    centres = torch.arange(size, device=matrix.device, dtype=matrix.dtype) + 0.5
    px, py = centres, centres[:, None]
    m = matrix[..., None, None]  # [B, N, 3, 3, 1, 1]
    x = m[:, :, 0, 0] * px + m[:, :, 0, 1] * py + m[:, :, 0, 2]  # [B, N, S, S]
    y = m[:, :, 1, 0] * px + m[:, :, 1, 1] * py + m[:, :, 1, 2]
    if perspective:
        w = (m[:, :, 2, 0] * px + m[:, :, 2, 1] * py + m[:, :, 2, 2]).clamp_min(MIN_W)
        x, y = x / w, y / w
    return torch.stack((x, y), dim=-1).flatten(1, 2)


def sample_by_grid(images: Tensor, points: Tensor, padding: str) -> Tensor:
    """Bilinear samples [B, 3, h', w'] of images [B, 3, h, w] at continuous pixel points [B, h', w', 2]."""
    height, width = images.shape[-2:]
    grid = torch.stack((points[..., 0] * (2.0 / width) - 1.0, points[..., 1] * (2.0 / height) - 1.0), dim=-1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def sample_by_index(images: Tensor, points: Tensor, padding: str) -> Tensor:
    """`sample_by_grid` by four indexed reads, whose backward accumulates in a fixed order on every device."""
    height, width = images.shape[-2:]
    x = _inside(points[..., 0] - 0.5, width, padding).flatten(1)  # [B, M] with M = h' * w'
    y = _inside(points[..., 1] - 0.5, height, padding).flatten(1)
    x0, y0 = torch.floor(x), torch.floor(y)
    out = None
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = x0 + dx, y0 + dy
            weight = (1.0 - (x - column).abs()) * (1.0 - (y - row).abs())
            known = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = torch.where(known, weight, 0.0)
            index = row.clamp(0, height - 1).to(torch.int64) * width + column.clamp(0, width - 1).to(torch.int64)
            term = _take(images, index) * weight[:, None]
            out = term if out is None else out + term
    assert out is not None
    return out.unflatten(-1, points.shape[1:3])


def _inside(position: Tensor, length: int, padding: str) -> Tensor:
    """Array positions moved into the picture as grid_sample does; "zeros" only keeps them within what int64 holds."""
    if padding == "reflection":
        position = length - (torch.remainder(position + 0.5, 2 * length) - length).abs() - 0.5
    return position.clamp(-2, length + 1) if padding == "zeros" else position.clamp(0, length - 1)


def _take(images: Tensor, index: Tensor) -> Tensor:
    """images [B, 3, h, w] read at flat index [B, M] -> [B, 3, M]."""
    batch = torch.arange(images.shape[0], device=images.device)[:, None]
    return images.flatten(2).movedim(1, -1)[batch, index].movedim(-1, 1)
