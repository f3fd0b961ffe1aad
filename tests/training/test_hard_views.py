"""Hard views: what they may change of a picture and what they must keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fastclipgen.data.shapes import ShapesDataset
from fastclipgen.training.hard_views import adversarial, disturb, random_cameras, shuffled, smooth_noise, warped


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.from_numpy(ShapesDataset(0, 32).images(range(24))).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("function", [disturb, warped, shuffled])
def test_all_are_reproducible_and_change_something(function, pictures: Tensor) -> None:
    before = pictures.clone()
    one, same, other = (function(pictures, generator(seed)) for seed in (0, 0, 1))
    assert one.shape == pictures.shape
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert (one != pictures).flatten(1).any(1).all()
    assert torch.equal(pictures, before), "the pictures themselves stay"


def test_disturbed_pictures_stay_recognisable(pictures: Tensor) -> None:
    seen = disturb(pictures, generator())
    assert (seen - pictures).abs().mean() < 0.2
    assert (seen - pictures).flatten(1).std(1).max() > 0.1, "some are noisy"
    assert seen.max() > 1, "not clamped"


def test_the_strength_of_a_disturbance(pictures: Tensor) -> None:
    full = disturb(pictures, generator()) - pictures
    assert torch.equal(disturb(pictures, generator(), 0.0), pictures)
    torch.testing.assert_close(disturb(pictures, generator(), 0.3) - pictures, 0.3 * full, atol=1e-5, rtol=1e-4)


def test_warped_keeps_colours_and_loses_places(pictures: Tensor) -> None:
    bent = warped(pictures, generator())
    assert (bent.mean((2, 3)) - pictures.mean((2, 3))).abs().mean() < 0.04
    assert bent.min() >= -1e-5
    assert bent.max() <= 1 + 1e-5
    moved = warped(torch.linspace(0, 1, 32).expand(8, 3, 32, 32), generator())
    assert (moved - torch.linspace(0, 1, 32)).abs().mean() > 0.03


def test_shuffled_permutes_tiles(pictures: Tensor) -> None:
    mixed = shuffled(pictures, generator())

    def tiles(images: Tensor) -> Tensor:
        """[n, 16, 3, 8, 8]"""
        return images.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3).movedim(2, 1)

    same = (tiles(mixed)[:, :, None] == tiles(pictures)[:, None]).flatten(3).all(-1)  # [n, 16, 16]
    assert same.any(2).all(), "every tile comes from the picture"
    assert same.any(1).all(), "and none is lost"
    assert not same.diagonal(dim1=1, dim2=2).all()


def test_smooth_noise_is_smooth_and_of_unit_size() -> None:
    noise = smooth_noise(64, 2, 32, 4, generator())
    assert noise.shape == (64, 2, 32, 32)
    assert 0.5 < noise.std() < 1.2
    steps = (noise[..., 1:] - noise[..., :-1]).std()
    assert steps < 0.25 * noise.std()


def test_cameras_leave_a_third_of_the_scenes_whole() -> None:
    drawn = random_cameras(3000, np.random.default_rng(0))
    whole = np.abs(drawn - np.array([[1, 0, 0], [0, 1, 0]])).max((1, 2)) < 1e-6
    assert whole.mean() == pytest.approx(0.33, abs=0.03)
    zoom = np.hypot(drawn[:, 0, 0], drawn[:, 1, 0])
    assert zoom.min() >= 0.8 - 1e-6
    assert zoom.max() <= 1.12 + 1e-6
    centre = drawn[:, :, :2] @ np.array([0.5, 0.5]) + drawn[:, :, 2] - 0.5
    assert 0.05 < np.abs(centre).max() <= 0.06 + 1e-6


def test_the_adversary_stays_in_its_ball_and_raises_the_loss(pictures: Tensor) -> None:
    weights = torch.randn(pictures[0].shape, generator=generator(5))

    def loss(images: Tensor) -> Tensor:
        return (images * weights).flatten(1).sum(1).square().sum()

    for steps in (1, 3):
        attacked = adversarial(pictures, loss, 2.0, steps, generator(6))
        length = (attacked - pictures).flatten(1).norm(dim=1)
        assert length.max() <= 2.0 + 1e-4
        assert length.min() > 0
        assert length.std() > 0.3, "radii vary"
        assert not attacked.requires_grad
        random = pictures + torch.nn.functional.normalize(
            torch.randn(pictures.flatten(1).shape, generator=generator(7)), dim=1
        ).view_as(pictures) * length.view(-1, 1, 1, 1)
        assert loss(attacked) > loss(random) > 0
        assert loss(attacked) > 1.05 * loss(pictures)


def test_no_strength_no_attack(pictures: Tensor) -> None:
    attacked = adversarial(pictures, lambda images: images.sum(), 0.0, 1, generator())
    assert torch.equal(attacked, pictures)
