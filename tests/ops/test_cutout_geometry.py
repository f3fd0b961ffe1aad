"""Stages of the geometry that test_cutout_params.py does not look at: turns of their own, zooms, crops not enlarged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_geometry import MIN_W, crop_range
from fastclipgen.ops.cutout_params import CutoutSpec, sample_cutouts

SEEDS = torch.tensor([7, 2**40, -3])


def matrices(spec: CutoutSpec, height: int = 64, width: int = 64, size: int = 64, views: int = 400) -> torch.Tensor:
    return sample_cutouts(spec, SEEDS, 0, views, height, width, size).matrix


def test_later_stages_do_not_move_earlier_draws() -> None:
    spec = CutoutSpec(crop=(0.4, 0.9), rotation=20.0, perspective=0.3, flip_probability=0.5)
    later = replace(spec, zoom=(0.2, 0.5), zoom_probability=0.5, turn=90.0, turn_probability=0.5)
    plain, both = matrices(spec), matrices(later)
    untouched = (plain == both).flatten(2).all(-1).double().mean()
    assert untouched == pytest.approx(0.25, abs=0.05)  # neither turned nor zoomed


def test_turns_come_after_the_affine_stage_and_before_perspective() -> None:
    spec = CutoutSpec(rotation=30.0, translate=(0.2, 0.1), perspective=0.4)
    turned = replace(spec, turn=50.0, turn_probability=1.0)
    alone = matrices(CutoutSpec(turn=50.0, turn_probability=1.0)).double()
    affine, rest = matrices(replace(spec, perspective=0.0)).double(), matrices(CutoutSpec(perspective=0.4)).double()
    # in pixels of the view counted from its corner, all of them map the view of 64 pixels to itself
    wanted = affine @ alone @ rest
    found = matrices(turned).double()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
    angle = torch.atan2(alone[..., 1, 0], alone[..., 0, 0])
    assert angle.abs().max() == pytest.approx(math.radians(50), rel=0.02)


def test_zoomed_boxes_fit_and_have_the_area_and_shape_that_were_asked_for() -> None:
    spec = CutoutSpec(zoom=(0.3, 0.9), zoom_aspect=(0.5, 2.0), zoom_probability=1.0)
    matrix = matrices(spec)
    wide, tall = matrix[..., 0, 0], matrix[..., 1, 1]
    x, y = matrix[..., 0, 2] / 64, matrix[..., 1, 2] / 64
    assert min(x.min(), y.min()) > -1e-6
    assert max((x + wide).max(), (y + tall).max()) < 1 + 1e-6
    area, ratio = wide * tall, wide / tall
    assert 0.299 < area.min() < 0.31
    assert area.max() > 0.85
    assert 0.499 < ratio.min() < 0.52
    assert 1.9 < ratio.max() < 2.001
    # tries that do not fit are thrown away, not cut: large boxes are squarer than small ones
    assert ratio[area > 0.8].log().abs().max() < 0.25


def test_boxes_that_never_fit_are_cut_at_the_edges() -> None:
    matrix = matrices(CutoutSpec(zoom=(0.9, 0.9), zoom_aspect=(4.0, 4.0), zoom_probability=1.0))
    torch.testing.assert_close(matrix[..., 0, 0], torch.ones(3, 400))
    torch.testing.assert_close(matrix[..., 1, 1], torch.full((3, 400), math.sqrt(0.9 / 4)))


def test_zooms_of_perspective_views_have_w_of_one_at_their_centre() -> None:
    matrix = matrices(CutoutSpec(perspective=0.8, zoom=(0.05, 0.3), zoom_probability=1.0))
    w = matrix[..., 2, :] @ torch.tensor([32.0, 32.0, 1.0])
    assert (w - 1).abs().median() < 1e-5
    assert w.max() < 1 + 1e-4
    assert ((w - 1).abs() < 1e-4).double().mean() > 0.99  # but for centres behind the horizon
    assert matrix.isfinite().all()
    assert matrix.abs().max() < 64 / MIN_W * 40


def test_crops_are_not_enlarged() -> None:
    spec = CutoutSpec(crop=(0.1, 1.0), unenlarged=True)
    assert crop_range(spec, 100, 200, 40) == (0.4, 1.0)
    assert crop_range(spec, 100, 200, 5) == (0.1, 1.0)
    assert crop_range(spec, 30, 200, 40) == (1.0, 1.0)
    assert crop_range(replace(spec, unenlarged=False), 100, 200, 40) == (0.1, 1.0)
    sides = matrices(spec, 100, 200, 40)[..., 0, 0] * 40
    assert 40 - 1e-3 < sides.min() < 42
    assert 98 < sides.max() < 100.01


def test_stretched_pictures_have_square_crops_of_their_own_shape() -> None:
    """A square of a picture twice as wide as high is half of the pooled picture's width."""
    spec = CutoutSpec(pool=True, stretch=True, crop=(0.5, 0.5))
    for height, width, wanted in ((50, 100, (0.25, 0.5)), (100, 50, (0.5, 0.25)), (70, 70, (0.5, 0.5))):
        matrix = matrices(spec, height, width, 32)
        assert (matrix[0, 0, 0, 0].item(), matrix[0, 0, 1, 1].item()) == pytest.approx(wanted)
        ends = [matrix[..., axis, 2].amax().item() / 32 + share for axis, share in enumerate(wanted)]
        assert ends == pytest.approx([1.0, 1.0], abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stretch": True}, "stretch gives a pooled picture its shape back and needs pool; set both or neither"),
        ({"pool": True, "bilinear": True}, "pool and bilinear are two ways to the same size; set one of them"),
        ({"frame": "inside", "whole": 1}, "drop whole or frame"),
        ({"grain": 1.0, "grain_probability": 0.5}, 'grain adds to noise "normal", got "none"; set that or drop grain'),
        ({"integer_shift": True, "zoom_probability": 0.5, "zoom": (0.5, 1.0)}, "cannot be combined"),
        ({"resample": "lanczos", "turn_probability": 0.5, "turn": 3.0}, "cannot be combined"),
        ({"resample": "lanczos", "frame": "inside"}, "cannot be combined"),
        ({"zoom": (0.0, 1.0)}, "zoom must be between 0.001 and 1, got 0"),
        ({"padding": "gray"}, "unknown cutout padding 'gray'; did you mean 'grey'"),
    ],
)
def test_impossible_specs_are_explained(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CutoutSpec(**change)
