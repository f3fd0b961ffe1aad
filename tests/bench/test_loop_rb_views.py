from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.loop_rb_views import ChainViews, homography, warp
from fastclipgen.ops.cutout_params import sample_cutouts
from fastclipgen.ops.cutout_presets import preset
from fastclipgen.ops.cutout_resample import pooled
from fastclipgen.ops.cutout_spec import CutoutSpec
from fastclipgen.ops.cutouts import cutouts

CPU = torch.device("cpu")
IMAGE = torch.rand(1, 3, 48, 40, generator=torch.Generator().manual_seed(0))
LATEST = preset("latest")
assert isinstance(LATEST, CutoutSpec)
STILL = replace(
    LATEST,
    affine_probability=0.0,
    perspective_probability=0.0,
    colour_probability=0.0,
    erase_probability=0.0,
    noise_scale=(0.0, 0.0),
)


def test_without_chance_a_view_is_the_pooled_picture() -> None:
    views = ChainViews(STILL, 16, 1, CPU).draw(IMAGE, 3)
    torch.testing.assert_close(views, pooled(IMAGE, 16).expand(3, -1, -1, -1))


def test_warp_moves_what_is_seen_by_the_map() -> None:
    views = torch.rand(2, 3, 9, 9)
    right = torch.eye(3).repeat(2, 1, 1)
    right[:, 0, 2] = 3
    moved = warp(views, right)
    torch.testing.assert_close(moved[..., 3:], views[..., :-3], rtol=0, atol=1e-5)
    assert moved[..., :3].abs().max() < 1e-5  # from outside
    torch.testing.assert_close(warp(views, torch.eye(3).repeat(2, 1, 1)), views, rtol=0, atol=1e-5)


def test_homography_takes_corners_to_corners() -> None:
    corners = torch.tensor([[[0.0, 0], [8, 0], [8, 8], [0, 8]]])
    moved = corners + torch.tensor([[[1.0, 2], [-2, 0.5], [-1, -3], [2, -1]]])
    points = torch.cat([corners, torch.ones(1, 4, 1)], dim=-1) @ homography(corners, moved).mT
    torch.testing.assert_close(points[..., :2] / points[..., 2:], moved, rtol=0, atol=1e-4)


@pytest.mark.parametrize("stage", ["affine", "perspective"])
def test_as_much_of_the_picture_is_seen_as_by_the_op(stage: str) -> None:
    """White on black: how much of it is left, over many views, tells the ranges of angles, shifts and corners."""
    spec = replace(STILL, **{f"{stage}_probability": 1.0})
    white, mean = torch.ones(1, 3, 32, 32), (0.0, 0.0, 0.0)
    drawn = ChainViews(spec, 32, 1, CPU).draw(white, 400).mean((1, 2, 3))
    params = sample_cutouts(spec, torch.tensor([1]), 0, 400, 32, 32, 32)
    wanted = cutouts(white, params, 32, mean, (1, 1, 1), torch.float32).mean((1, 2, 3))
    assert wanted.mean() < 0.97
    assert drawn.mean() == pytest.approx(float(wanted.mean()), abs=0.02)
    assert drawn.std() == pytest.approx(float(wanted.std()), rel=0.25)


def test_the_affine_stage_shifts_up_and_down_only() -> None:
    columns = torch.linspace(0.2, 1, 32).expand(1, 3, 32, 32)
    spec = replace(STILL, affine_probability=1.0, rotation=0.0, shear=0.0)
    views = ChainViews(spec, 32, 1, CPU).draw(columns, 20)
    torch.testing.assert_close(views[:, :, 8:-8], columns[:, :, 8:-8].expand(20, -1, -1, -1), rtol=0, atol=1e-4)
    assert (views[:, 0, :3, 16] == 0).any()  # shifted from outside


def test_a_coin_for_every_view_and_one_rectangle_for_all() -> None:
    half = replace(STILL, colour_probability=0.5)
    same = (ChainViews(half, 16, 1, CPU).draw(IMAGE, 200) == pooled(IMAGE, 16)).flatten(1).all(1)
    assert 60 < int(same.sum()) < 140
    views = ChainViews(replace(STILL, erase_probability=1.0), 16, 1, CPU).draw(IMAGE, 4)
    erased = (views == 0).all(1)  # [4, 16, 16]
    assert torch.equal(erased, erased[:1].expand(4, -1, -1))
    assert 0.05 < float(erased.float().mean()) < 0.45


def test_noise_has_a_scale_of_each_view_and_is_not_clamped() -> None:
    spec = replace(STILL, noise_scale=(0.0, 0.1))
    views = ChainViews(spec, 32, 1, CPU).draw(torch.ones(1, 3, 32, 32), 60)
    scales = (views - 1).flatten(1).std(1)
    assert scales.min() < 0.02
    assert 0.08 < scales.max() < 0.11
    assert views.max() > 1


def test_a_gradient_reaches_every_pixel() -> None:
    image = IMAGE.clone().requires_grad_()
    assert isinstance(LATEST, CutoutSpec)
    ChainViews(LATEST, 16, 1, CPU).draw(image, 8).square().sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert (image.grad != 0).float().mean() > 0.9
