from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.ops.cutouts import CutoutMix, CutoutSpec, cutouts, sample_cutouts

SEEDS = torch.tensor([5, 6])
NEAR = CutoutSpec(crop=(0.3, 0.4), hue=0.2, noise="normal", noise_scale=(0.0, 0.1), padding="reflection", overhang=0.4)
FAR = CutoutSpec(
    crop=(1.5, 1.6),
    rotation=20.0,
    perspective=0.3,
    erase_area=(0.1, 0.2),
    erase_probability=0.5,
    sharpness_probability=0.5,
    noise="normal",
    noise_scale=(0.2, 0.3),
    padding="colour",
    fill=(0.9, 0.1, 0.4),
)
MIX = CutoutMix(NEAR, FAR, share=0.4)


def views_of(spec: CutoutSpec | CutoutMix, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    images = torch.rand(2, 3, 30, 26, generator=torch.Generator().manual_seed(1), dtype=dtype)
    params = sample_cutouts(spec, SEEDS, 2, 5, 30, 26, 16)
    return cutouts(images, params, 16, (0, 0, 0), (1, 1, 1), dtype).unflatten(0, (2, 5))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_each_kind_looks_as_it_does_alone(dtype: torch.dtype) -> None:
    """View n is the one that its own spec gives for n: with its stages, its noise and its padding."""
    mixed, near, far = (views_of(spec, dtype) for spec in (MIX, NEAR, FAR))
    # mip levels that one kind alone does not need count nothing; colour stages of the other kind clamp, at most
    torch.testing.assert_close(mixed[:, :2], near[:, :2], rtol=0, atol=1e-4)
    torch.testing.assert_close(mixed[:, 2:], far[:, 2:], rtol=0, atol=1e-4)
    assert (mixed[:, :2] - far[:, :2]).abs().max() > 0.1


def test_shares_are_whole_views() -> None:
    for share, views, first in ((2 / 3, 3, 2), (2 / 3, 1, 0), (0.6, 5, 3), (1.0, 4, 4), (0.0, 4, 0), (0.3, 10, 3)):
        parts = replace(MIX, share=share).parts(views)
        assert parts == [(NEAR, 0, first), (FAR, first, views)]
        assert sample_cutouts(replace(MIX, share=share), SEEDS, 0, views, 30, 30, 16).matrix.shape == (2, views, 3, 3)


def test_stages_are_those_of_either_kind() -> None:
    facts = ("perspective", "colour", "light", "saturation", "hue", "sharpness", "erasing", "noise")
    found = {name: getattr(MIX, f"has_{name}") for name in facts}
    assert found == dict.fromkeys(facts, True) | {"light": False, "saturation": False}
    assert not MIX.is_exact(16, 16, 16)


@pytest.mark.parametrize(
    ("first", "rest", "share", "message"),
    [
        ({}, {}, 1.5, "share of the first kind must be between 0 and 1, got 1.5"),
        ({}, {"clamp": True}, 0.5, "must agree in clamp, got False and True"),
        ({"noise": "uniform"}, {}, 0.5, "must agree in noise, got 'uniform' and 'normal'"),
        ({}, {"pool": True}, 0.5, "must agree in pool"),
        ({"signed": True}, {}, 0.5, "must agree in signed"),
        ({"whole": 1}, {"whole": 1}, 0.5, "drop integer_shift, lanczos and whole"),
    ],
)
def test_kinds_that_do_not_go_together(first: Any, rest: Any, share: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CutoutMix(replace(NEAR, **first), replace(FAR, **rest), share)
