"""Starts to choose among: a figure on a ground, the same scene at every size and in any batch."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fastclipgen.engine.engine import Engine
from fastclipgen.generators import registry
from fastclipgen.generators.painted_starts import PREVIEW, PaintedStarts, figure_on_ground

SEEDS = torch.tensor([0, 7, 2**62])
PAINTED = ("pixels", "stack", "fourier")


def test_a_figure_in_the_middle_of_a_ground() -> None:
    pictures = figure_on_ground(torch.arange(50), 64, 64)
    assert pictures.min() >= 0.05 - 1e-6
    assert pictures.max() <= 0.95 + 1e-6
    corners = torch.stack([pictures[..., 0, 0], pictures[..., 0, -1], pictures[..., -1, 0], pictures[..., -1, -1]])
    assert (corners - corners[0]).abs().max() < 1e-3, "one colour all around"
    middle = pictures[..., 30:34, 30:34].flatten(2)
    assert (middle - middle[..., :1]).abs().max() < 0.2, "nearly one in the middle, where the edge may begin"
    assert (middle.mean(2) - corners[0]).abs().mean() > 0.2
    assert corners[0].std(0).min() > 0.15, "colours are drawn from all there are"


def test_a_start_is_the_same_alone_and_at_every_size() -> None:
    together = figure_on_ground(SEEDS, 64, 64)
    assert torch.equal(together[1:2], figure_on_ground(SEEDS[1:2], 64, 64))
    larger = F.avg_pool2d(figure_on_ground(SEEDS, 256, 256), 4)
    torch.testing.assert_close(larger, together, atol=0.02, rtol=0)


def test_varied_figures_have_many_outlines_and_colours_of_their_own() -> None:
    seeds = torch.arange(200)
    pictures = figure_on_ground(seeds, 64, 64, varied=True)
    assert torch.equal(pictures[7:8], figure_on_ground(seeds[7:8], 64, 64, varied=True))
    larger = F.avg_pool2d(figure_on_ground(seeds[:9], 256, 256, varied=True), 4)
    assert (larger - pictures[:9]).abs().mean() < 0.003, "the same scene at every size"
    corner = pictures[:, :, 0, 0]
    away = (pictures - corner[:, :, None, None]).abs().amax(1)  # [B, H, W]
    contrast = away.amax((1, 2))
    assert contrast.min() > 0.25
    assert (pictures[:, :, 32, 32] - corner).abs().amax(0).min() > 0.6, "any channel may differ, and by much"
    covers = away > contrast[:, None, None] / 2
    rows = (torch.arange(64) - 31.5)[:, None].expand(64, 64)
    roundness = []
    for cover in covers:
        y, x = rows[cover], rows.T[cover]
        spread = (y - y.mean()).square().mean() + (x - x.mean()).square().mean()
        roundness.append(float(cover.sum() / (2 * math.pi * spread)))  # 1 of a disc, less of all else
    assert sum(value > 0.95 for value in roundness) < 120
    assert sum(value < 0.85 for value in roundness) > 25
    plain = figure_on_ground(seeds, 64, 64)
    faint = (plain[:, :, 32, 32] - plain[:, :, 0, 0]).abs().amax(1)
    assert faint.min() < 0.15, "discs may be of any two colours"


@pytest.mark.parametrize("name", PAINTED)
def test_generators_begin_with_the_painted_picture(name: str) -> None:
    generator = registry.create(name, 48, 32, "adam")
    assert isinstance(generator, PaintedStarts)
    pictures = generator(generator.init_among_many(SEEDS))
    torch.testing.assert_close(pictures, figure_on_ground(SEEDS, 48, 32), atol=2e-3, rtol=0)
    previews = generator.preview_among_many(SEEDS)
    assert max(previews.shape[2:]) == PREVIEW
    assert previews.shape[2] * 32 == pytest.approx(previews.shape[3] * 48, abs=48)


def test_other_generators_begin_as_they_do_alone() -> None:
    generator = registry.create("vae", 64, 64, "adam")
    assert torch.equal(generator.init_among_many(SEEDS)["w"], generator.init(SEEDS)["w"])
    assert torch.equal(generator.preview_among_many(SEEDS), generator.preview(generator.init(SEEDS)))


def test_a_single_start_stays_grey() -> None:
    """Direct Ascent Synthesis begins at grey, and so does everything that has one start."""
    generator = registry.create("stack", 32, 32, "sgd")
    assert torch.equal(generator(generator.init(SEEDS)), torch.full((3, 3, 32, 32), 0.5))
    assert (Engine.__init__.__defaults__ or ())[:2] == (1, 1)
