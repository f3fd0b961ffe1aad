from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_params import PRESETS, CutoutParams, CutoutSpec, preset, sample_cutouts
from fastclipgen.ops.philox import Stream, uniforms

SEEDS = torch.tensor([7, 2**40, -3])
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)


def where(params: CutoutParams, points: torch.Tensor) -> torch.Tensor:
    """Source coordinates [B, N, K, 2] of view points [K, 2] given as fractions of the view."""
    ones = torch.ones(len(points), 1, dtype=torch.float64)
    homogeneous = torch.cat((points * params.size, ones), 1) @ params.matrix.double().mT
    return homogeneous[..., :2] / homogeneous[..., 2:]


def tensors(params: CutoutParams) -> tuple[torch.Tensor, ...]:
    return params.matrix, params.colour, params.erase, params.noise_scale


@pytest.mark.parametrize("name", PRESETS)
def test_a_picture_alone_draws_the_same_bits_as_in_a_batch(name: str) -> None:
    together = sample_cutouts(PRESETS[name], SEEDS, 4, 5, 90, 80, 64)
    assert [t.shape for t in tensors(together)] == [(3, 5, 3, 3), (3, 5, 4), (3, 5, 4), (3, 5)]
    for b in range(3):
        alone = sample_cutouts(PRESETS[name], SEEDS[b : b + 1], torch.tensor(4), 5, 90, 80, 64)
        for one, all_ in zip(tensors(alone), tensors(together), strict=True):
            assert torch.equal(one[0], all_[b])
            assert one.isfinite().all()
    if name not in ("plain", "signed"):
        later = sample_cutouts(PRESETS[name], SEEDS, 5, 5, 90, 80, 64)
        assert not torch.equal(together.matrix, later.matrix)
        assert not torch.equal(together.matrix[0], together.matrix[1])
        assert not torch.equal(together.matrix[:, 0], together.matrix[:, 1])


def test_crops_fill_their_range_and_stay_inside() -> None:
    params = sample_cutouts(CutoutSpec(crop=(0.25, 0.75)), SEEDS, 0, 300, 40, 60, 32)
    corners = where(params, CORNERS)
    low, high = corners.amin((0, 1, 2)), corners.amax((0, 1, 2))
    assert (low > -1e-4).all()
    assert (low < 1).all()
    assert high[0] < 60 + 1e-4
    assert high[0] > 59
    assert 39 < high[1] < 40 + 1e-4
    sides = corners[..., 1, 0] - corners[..., 0, 0]
    torch.testing.assert_close(sides, corners[..., 2, 1] - corners[..., 1, 1])
    assert sides.min() == pytest.approx(10, abs=0.5)
    assert sides.max() == pytest.approx(30, abs=0.5)
    assert sides.mean() == pytest.approx(20, abs=0.8)
    powered = sample_cutouts(CutoutSpec(crop=(0.25, 0.75), crop_power=3.0), SEEDS, 0, 300, 40, 60, 32)
    assert (powered.matrix[..., 0, 0] * 32).mean() == pytest.approx(15, abs=0.8)  # E[U**3] = 1/4


def test_large_crops_contain_the_picture_and_overhang_sticks_out() -> None:
    large = where(sample_cutouts(CutoutSpec(crop=(1.5, 1.5)), SEEDS, 0, 100, 40, 40, 32), CORNERS)
    assert large.amin(2).max() < 1e-4
    assert large.amax(2).min() > 40 - 1e-4
    out = where(sample_cutouts(CutoutSpec(crop=(0.5, 0.5), overhang=0.25), SEEDS, 0, 300, 40, 40, 32), CORNERS)
    assert out.amin((0, 1, 2)).tolist() == pytest.approx([-5, -5], abs=0.2)
    assert out.amax((0, 1, 2)).tolist() == pytest.approx([45, 45], abs=0.2)


def test_aspect_keeps_the_area() -> None:
    params = sample_cutouts(CutoutSpec(crop=(0.5, 0.5), aspect=(0.5, 2.0)), SEEDS, 0, 300, 40, 40, 32)
    width, height = params.matrix[..., 0, 0] * 32, params.matrix[..., 1, 1] * 32
    torch.testing.assert_close(width * height, torch.full_like(width, 400.0))
    ratio = width / height
    assert ratio.min() == pytest.approx(0.5, abs=0.05)
    assert ratio.max() == pytest.approx(2.0, abs=0.05)
    assert ratio.log().mean().abs() < 0.08


def test_whole_views_are_the_whole_picture() -> None:
    spec = replace(PRESETS["latest"], pool=False, whole=2)
    corners = where(sample_cutouts(spec, SEEDS, 0, 4, 40, 60, 32), CORNERS)
    whole = CORNERS * torch.tensor([60.0, 40.0])
    torch.testing.assert_close(corners[:, :2], whole.expand(3, 2, 4, 2), atol=1e-4, rtol=0)
    assert (corners[:, 2:] - whole).abs().amax((2, 3)).min() > 0.1


def test_affine_turns_about_the_centre_and_is_sometimes_left_out() -> None:
    spec = CutoutSpec(rotation=30.0, affine_probability=0.25)
    params = sample_cutouts(spec, SEEDS, 0, 400, 64, 64, 64)
    torch.testing.assert_close(
        where(params, torch.tensor([[0.5, 0.5]], dtype=torch.float64)),
        torch.full((3, 400, 1, 2), 32.0, dtype=torch.float64),
        atol=1e-4,
        rtol=0,
    )
    angles = torch.atan2(params.matrix[..., 1, 0], params.matrix[..., 0, 0])
    turned = angles != 0
    assert 0.2 < turned.double().mean() < 0.3
    assert angles.abs().max() == pytest.approx(math.radians(30), abs=0.02)
    assert abs(angles[turned].mean()) < 0.1
    torch.testing.assert_close(params.matrix[..., :2, :2].det(), torch.ones(3, 400))


def test_shear_then_turn_then_shift_is_undone() -> None:
    params = sample_cutouts(CutoutSpec(rotation=20.0, shear=15.0, translate=(0.2, 0.1)), SEEDS, 0, 50, 64, 64, 64)
    spread = 2 * uniforms(SEEDS, 0, Stream.GEOMETRY, 9, 50).double()[..., 5:] - 1
    angle, shear = torch.deg2rad(spread[..., 0] * 20), torch.tan(torch.deg2rad(spread[..., 1] * 15))
    shift = spread[..., 2:] * torch.tensor([0.2 * 64, 0.1 * 64])
    turn = torch.stack((angle.cos(), angle.sin(), -angle.sin(), angle.cos()), -1).unflatten(-1, (2, 2))
    skew = torch.stack((angle * 0 + 1, shear, angle * 0, angle * 0 + 1), -1).unflatten(-1, (2, 2))
    forward = ((CORNERS - 0.5) * 64) @ (turn @ skew).mT + shift[..., None, :]  # [B, N, 4, 2], about the centre
    back = (forward + 32) @ params.matrix[..., :2, :2].double().mT + params.matrix[..., None, :2, 2]
    torch.testing.assert_close(back, (CORNERS * 64).expand_as(back), rtol=0, atol=1e-4)


def test_perspective_maps_inward_corners_to_the_picture_corners() -> None:
    params = sample_cutouts(CutoutSpec(perspective=0.6), SEEDS, 0, 200, 64, 64, 64)
    torch.testing.assert_close(
        params.matrix @ torch.tensor([32.0, 32.0, 1.0]) @ torch.tensor([0.0, 0.0, 1.0]), torch.ones(3, 200)
    )
    homogeneous = torch.cat((CORNERS * 64, torch.ones(4, 1)), 1) @ torch.linalg.inv(params.matrix.double()).mT
    moved = homogeneous[..., :2] / homogeneous[..., 2:] / 64
    inward = (moved - CORNERS).abs() / 0.5  # fraction of half a side
    assert (moved > -1e-4).all()
    assert (moved < 1 + 1e-4).all()
    assert inward.max() == pytest.approx(0.6, abs=0.01)
    assert inward.mean() == pytest.approx(0.3, abs=0.02)
    assert (inward.flatten(0, 1).amax(0) > 0.55).all()  # every corner, both ways


def test_flip_mirrors_half_the_views() -> None:
    corners = where(sample_cutouts(CutoutSpec(flip_probability=0.5), SEEDS, 0, 200, 40, 40, 32), CORNERS)
    mirrored = corners[..., 0, 0] > corners[..., 1, 0]
    assert 0.4 < mirrored.double().mean() < 0.6
    torch.testing.assert_close(corners[mirrored][0], (CORNERS * 40)[[1, 0, 3, 2]])


def test_integer_shift_is_whole_uniform_and_shared_on_request() -> None:
    spec = PRESETS["das"]
    shifts = sample_cutouts(spec, SEEDS, 0, 400, 36, 34, 32).matrix[..., :2, 2]
    assert torch.equal(shifts, shifts.round())
    for axis, margin in ((0, 2), (1, 4)):
        counts = torch.bincount(shifts[..., axis].flatten().long())
        assert len(counts) == margin + 1
        assert (counts / 1200 - 1 / (margin + 1)).abs().max() < 0.06
    shared = replace(spec, shared_shift=True)
    first = sample_cutouts(shared, SEEDS, 0, 8, 96, 96, 32, shared_seed=11).matrix
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first[0, 0], first[0, 1])
    other_batch = sample_cutouts(shared, torch.tensor([99]), 0, 8, 96, 96, 32, shared_seed=11).matrix
    assert torch.equal(first[0], other_batch[0])
    assert not torch.equal(first, sample_cutouts(shared, SEEDS, 0, 8, 96, 96, 32, shared_seed=12).matrix)


def test_colour_erase_and_noise_ranges() -> None:
    spec = replace(PRESETS["latest"], erase_shared=False, noise_scale=(0.02, 0.1))
    params = sample_cutouts(spec, SEEDS, 0, 400, 64, 64, 50)
    spread = params.colour - torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert spread.abs().amax((0, 1)).tolist() == pytest.approx([0.1] * 4, abs=0.002)
    assert 0.65 < (spread != 0).any(-1).double().mean() < 0.75
    assert params.noise_scale.min() == pytest.approx(0.02, abs=1e-3)
    assert params.noise_scale.max() == pytest.approx(0.1, abs=1e-3)
    x0, y0, x1, y1 = params.erase.unbind(-1)
    erased = x1 > x0
    assert torch.equal(params.erase, params.erase.round())
    assert 0.65 < erased.double().mean() < 0.75
    assert params.erase.min() >= 0
    assert params.erase.max() <= 50
    area = ((x1 - x0) * (y1 - y0))[erased] / 2500
    assert 0.09 < area.min() < 0.13
    assert 0.37 < area.max() < 0.42
    tall = ((y1 - y0) > (x1 - x0))[erased].double().mean()
    assert 0.43 < tall < 0.57
    shared = sample_cutouts(PRESETS["latest"], SEEDS, 0, 400, 64, 64, 50).erase
    assert torch.equal(shared, shared[:, :1].expand_as(shared))


def test_geometry_does_not_depend_on_the_sizes() -> None:
    """Two perceptors with other input sizes see the same relative crops."""
    small = where(sample_cutouts(PRESETS["crops"], SEEDS, 3, 6, 100, 100, 32), CORNERS)
    large = where(sample_cutouts(PRESETS["crops"], SEEDS, 3, 6, 100, 100, 64), CORNERS)
    torch.testing.assert_close(small, large, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": (0.9, 0.5)}, r"crop must be \(low, high\)"),
        ({"crop": (0.0, 0.5)}, "crop must be between 0.001 and 16, got 0"),
        ({"crop": 0.5}, "crop must be 2 numbers, got 0.5"),
        ({"rotation": math.nan}, "rotation must be a number, got nan"),
        ({"rotation": "ten"}, "rotation must be a number, got 'ten'"),
        ({"flip_probability": 1.5}, "flip_probability must be between 0 and 1, got 1.5"),
        ({"perspective": 0.95}, "perspective must be between 0 and 0.8"),
        ({"crop_power": -1.0}, "crop_power must be 0 or more"),
        ({"noise": "gaussian"}, "unknown cutout noise 'gaussian'"),
        ({"padding": "reflect"}, "unknown cutout padding 'reflect'; did you mean 'reflection'"),
        ({"whole": -1}, "whole must be a number of views"),
        ({"whole": True}, "whole must be a whole number"),
        ({"clamp": 1}, "clamp must be true or false"),
        ({"fill": (0.0, 2.0, 0.0)}, "fill must be between 0 and 1"),
        ({"shared_shift": True}, "needs integer_shift"),
        ({"integer_shift": True, "rotation": 3.0}, "cannot be combined"),
    ],
)
def test_impossible_specs_are_explained(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CutoutSpec(**change)


def test_impossible_requests_are_explained() -> None:
    with pytest.raises(UserError, match="picture at least that large, got 30 x 40"):
        sample_cutouts(PRESETS["das"], SEEDS, 0, 2, 40, 30, 32)
    with pytest.raises(UserError, match="views must be 1 or more, got 0"):
        sample_cutouts(PRESETS["plain"], SEEDS, 0, 0, 40, 40, 32)
    with pytest.raises(UserError, match="more than the 2 views"):
        sample_cutouts(CutoutSpec(whole=3), SEEDS, 0, 2, 40, 40, 32)
    with pytest.raises(UserError, match="unknown cutout preset 'gentel'; did you mean 'gentle'"):
        preset("gentel")


def test_empty_batch() -> None:
    for spec in PRESETS.values():
        assert sample_cutouts(spec, SEEDS[:0], 0, 3, 40, 40, 32).matrix.shape == (0, 3, 3, 3)
    shared = replace(PRESETS["das"], shared_shift=True)
    assert sample_cutouts(shared, SEEDS[:0], 0, 3, 40, 40, 32).matrix.shape == (0, 3, 3, 3)
