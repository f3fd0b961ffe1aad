"""Lanczos crops and pooling against loops written from the descriptions, one view at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_resample import lanczos_crops, pooled
from fastclipgen.ops.cutouts import PRESETS, CutoutSpec, cutouts, sample_cutouts

SEEDS = torch.tensor([5, 6])


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def notebook_resize(crop: torch.Tensor, size: int) -> torch.Tensor:
    """crop [1, 3, h, w]: convolution with the Lanczos window along each axis that shrinks, then bicubic."""
    for axis in (2, 3):
        ratio = size / crop.shape[axis]
        if ratio >= 1:
            continue
        steps = int(2 / ratio)
        x = torch.arange(-steps, steps + 1, dtype=crop.dtype) * ratio
        window = torch.where(x.abs() < 2, torch.sinc(x) * torch.sinc(x / 2), 0.0)
        window = window / window.sum()
        shape, padding = ((1, 1, -1, 1), (0, 0, steps, steps)) if axis == 2 else ((1, 1, 1, -1), (steps, steps, 0, 0))
        planes = functional.pad(crop.transpose(0, 1), padding, mode="reflect")
        crop = functional.conv2d(planes, window.view(shape)).transpose(0, 1)
    return functional.interpolate(crop, (size, size), mode="bicubic", align_corners=True)


@pytest.mark.parametrize(("height", "width", "size"), [(60, 60, 16), (48, 75, 16), (40, 33, 24), (31, 29, 29)])
def test_lanczos_crops_are_the_notebooks(height: int, width: int, size: int) -> None:
    images = picture(height, width)
    params = sample_cutouts(CutoutSpec(crop=(0.4, 1.0), resample="lanczos"), SEEDS, 2, 6, height, width, size)
    views = lanczos_crops(images, params)
    sides = set()
    for b in range(2):
        for n in range(6):
            m = params.matrix[b, n]
            x, y, side = (int(v) for v in (m[0, 2].round(), m[1, 2].round(), (m[0, 0] * size).round()))
            sides.add(side)
            assert 0 <= x <= width - side
            assert 0 <= y <= height - side
            expected = notebook_resize(images[b : b + 1, :, y : y + side, x : x + side], size)
            torch.testing.assert_close(views[b, :, n], expected[0], rtol=0, atol=1e-5)
    assert len(sides) > 4


def test_whole_views_and_gradients() -> None:
    images = picture(9, 12).requires_grad_()
    spec = CutoutSpec(crop=(0.5, 1.0), resample="lanczos", whole=1)
    params = sample_cutouts(spec, SEEDS, 0, 2, 9, 12, 5)
    torch.testing.assert_close(
        lanczos_crops(images, params)[:, :, 0],
        torch.cat([notebook_resize(i[None], 5) for i in images]),
        rtol=0,
        atol=1e-5,
    )
    assert torch.autograd.gradcheck(lambda i: lanczos_crops(i, params), images)


def test_pooling_is_the_mean_of_average_and_maximum() -> None:
    images = picture(8, 12)
    cells = images.unflatten(3, (4, 3)).unflatten(2, (4, 2))  # [B, 3, 4, 2, 4, 3]
    expected = (cells.mean((3, 5)) + cells.amax((3, 5))) / 2
    torch.testing.assert_close(pooled(images, 4), expected)
    spec = CutoutSpec(frame="picture", pool=True)
    params = sample_cutouts(spec, SEEDS, 0, 3, 8, 12, 4)
    views = cutouts(images, params, 4, (0.0,) * 3, (1.0,) * 3, torch.float64)
    torch.testing.assert_close(views, expected.repeat_interleave(3, 0))


def test_pooled_views_warp_the_pooled_picture() -> None:
    images = picture(50, 40).float()
    params = sample_cutouts(PRESETS["latest"], SEEDS, 1, 4, 50, 40, 16)
    assert (params.height, params.width) == (16, 16)
    views = cutouts(images, params, 16, (0.0,) * 3, (1.0,) * 3, torch.float32)
    unpooled = params._replace(spec=CutoutSpec(**{**vars(PRESETS["latest"]), "pool": False}))
    assert torch.equal(views, cutouts(pooled(images, 16), unpooled, 16, (0.0,) * 3, (1.0,) * 3, torch.float32))


def test_lanczos_refuses_what_it_cannot_resize() -> None:
    mistakes: list[dict[str, Any]] = [
        {"rotation": 5.0},
        {"crop": (0.5, 1.2)},
        {"overhang": 0.1},
        {"flip_probability": 0.5},
    ]
    for mistake in mistakes:
        with pytest.raises(UserError, match='resample "lanczos" resizes crops that lie inside'):
            CutoutSpec(resample="lanczos", **mistake)
    with pytest.raises(UserError, match="did you mean 'lanczos'"):
        CutoutSpec(resample="lanczo")
