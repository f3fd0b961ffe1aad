"""Diversity: against all pairs, one by one."""

from __future__ import annotations

import itertools

import pytest
import torch

from fastclipgen.evaluation.diversity import difference, spread, spread_within

AXES = torch.eye(3)


def test_spread_of_known_sets() -> None:
    assert spread(AXES) == pytest.approx(1.0)
    assert spread(torch.stack([AXES[0], 5 * AXES[0]])) == pytest.approx(0.0)
    assert spread(torch.stack([AXES[0], -AXES[0]])) == pytest.approx(2.0)
    assert spread(torch.stack([AXES[0], AXES[0], AXES[1]])) == pytest.approx(2 / 3)
    assert spread(AXES[:1]) is None


def test_spread_is_the_mean_over_pairs() -> None:
    drawn = torch.randn(7, 5, generator=torch.Generator().manual_seed(3))
    pairs = itertools.combinations(drawn.double(), 2)
    truth = sum(1 - float(torch.cosine_similarity(a, b, dim=0)) for a, b in pairs) / 21
    assert spread(drawn) == pytest.approx(truth, rel=1e-9)


def test_within_a_prompt_only_its_own_pictures_are_compared() -> None:
    features = torch.stack([AXES[0], AXES[0], AXES[1], AXES[2], AXES[0]])
    groups = torch.tensor([4, 4, 9, 9, 1])  # equal; at a right angle; alone
    assert spread_within(features, groups) == pytest.approx(0.5)
    assert spread_within(features[2:], torch.tensor([0, 1, 2])) is None


def test_difference_is_the_root_mean_square_over_pairs() -> None:
    small = torch.rand(6, 12, generator=torch.Generator().manual_seed(4)).double()
    pairs = [float((a - b).square().mean()) for a, b in itertools.combinations(small, 2)]
    assert difference(small) == pytest.approx((sum(pairs) / len(pairs)) ** 0.5, rel=1e-9)
    assert difference(torch.tensor([[0.0, 0.0], [1.0, 1.0]])) == pytest.approx(1.0)
    assert difference(small[:1]) is None
