"""Ascents that run along with the training: whose turn it is, where they begin, and that they climb."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastclipgen.models.layered_vae import LATENT
from fastclipgen.training.ascents import KEPT, VISITS, Ascents, look, smoothed, unit
from fastclipgen.training.near_misses import Painter

SIZE = 64


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter()


def test_visits_go_round_and_all_begin_the_first_time() -> None:
    ascents, rng = Ascents(SIZE), np.random.default_rng(0)
    seen = []
    for step in range(KEPT // 32):
        rows, begin = ascents.visit(step, 32, 1000 * step + np.arange(32), rng)
        assert begin.all()
        assert ascents.scene[rows].tolist() == list(range(1000 * step, 1000 * step + 32))
        seen += rows.tolist()
    assert sorted(seen) == list(range(KEPT))


def test_later_about_one_in_visits_begins_and_the_others_keep_their_scene() -> None:
    ascents, rng = Ascents(SIZE), np.random.default_rng(0)
    ascents.scene.fill_(7)
    began = 0
    for step in range(200):
        before = ascents.scene.clone()
        rows, begin = ascents.visit(step, 32, np.full(32, step + 100), rng)
        changed = rows[begin]
        assert (ascents.scene[changed] == step + 100).all()
        rest = torch.ones(KEPT, dtype=torch.bool)
        rest[changed] = False
        assert torch.equal(ascents.scene[rest], before[rest])
        began += len(changed)
    assert began == pytest.approx(200 * 32 / VISITS, rel=0.15)


def test_beginnings_are_pictures_and_differ() -> None:
    ascents = Ascents(SIZE)
    rows = torch.tensor([3, 200, 5])
    latents = torch.randn(3, LATENT)
    ascents.begin(rows, latents, torch.Generator().manual_seed(0))
    assert torch.equal(ascents.latents[rows], latents)
    started = ascents.pixels[rows]
    assert started.min() >= 0
    assert started.max() <= 1
    assert (started[0] - started[1]).abs().mean() > 0.01
    untouched = torch.ones(KEPT, dtype=torch.bool)
    untouched[rows] = False
    assert not ascents.pixels[untouched].any()


def test_climbing_raises_the_cosine_of_pixels_and_latents(painter: Painter) -> None:
    torch.manual_seed(0)
    ascents, rows = Ascents(SIZE), torch.arange(6)
    ascents.begin(rows, torch.randn(6, LATENT), torch.Generator().manual_seed(1))
    others = ascents.pixels[6:].clone()
    weights = torch.randn(3 * 16, 8)

    def embed(images: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(images - 0.5, 4).flatten(1) @ weights

    target = F.normalize(torch.randn(6, 8), dim=1)

    def cosines() -> torch.Tensor:
        pictures = torch.cat([ascents.pixels[rows], painter.draw(ascents.latents[rows])])
        return (F.normalize(embed(pictures), dim=1) * target.repeat(2, 1)).sum(1).view(2, 6).mean(1)

    before = cosines()
    for visit in range(4):
        ascents.climb(rows, target, painter, embed, torch.Generator().manual_seed(visit))
    assert (cosines() > before + 0.2).all()
    assert ascents.pixels.min() >= 0
    assert ascents.pixels.max() <= 1
    assert ascents.latents.norm(dim=1).max() <= painter.vae.norm * math.sqrt(LATENT) * (1 + 1e-5)
    assert torch.equal(ascents.pixels[6:], others)
    assert not ascents.pixels.requires_grad


def test_smoothing_divides_a_wave_by_its_frequency_to_the_slope() -> None:
    x = torch.arange(SIZE) / SIZE
    wave = torch.stack([torch.cos(2 * math.pi * f * x) for f in (1, 4, 8)])[:, None, None].expand(3, 3, SIZE, SIZE)
    slope = torch.tensor([1.5, 1.0, 0.0]).view(3, 1, 1, 1)
    wanted = wave / torch.tensor([1.0, 4.0, 1.0]).view(3, 1, 1, 1)
    torch.testing.assert_close(smoothed(wave, slope), wanted, atol=1e-5, rtol=0)


def test_unit_directions_have_length_one_and_nothing_stays_nothing() -> None:
    direction = torch.stack([torch.full((2, 3), 4.0), torch.zeros(2, 3)])
    assert unit(direction).flatten(1).norm(dim=1).tolist() == pytest.approx([1.0, 0.0])


def test_a_look_shows_most_of_the_picture() -> None:
    """A picture that is dark outside of its middle half: the middle is always seen, and moves."""
    images = torch.zeros(32, 3, SIZE, SIZE)
    images[..., 16:48, 16:48] = 1
    views = look(images, torch.Generator().manual_seed(0))
    assert views.shape == images.shape
    centre = views[..., 28:36, 28:36].mean((1, 2, 3))
    corner = views[..., :4, :4].mean((1, 2, 3))
    assert centre.min() > 0.7
    assert corner.max() < 0.3
    assert views.std(0).mean() > 0.05
