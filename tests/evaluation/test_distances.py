"""CMMD and the Frechet distance: known values, zeros, symmetry, blocks."""

from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.evaluation import distances
from fastclipgen.evaluation.distances import cmmd, frechet, frechet_of, mmd


def features(count: int, width: int = 6, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    drawn = torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn + shift


def test_mmd_of_two_tiny_sets_by_hand() -> None:
    # on a line, sigma 1: pairs within {0, 1} are 1 apart, within {2, 4} 2 apart, across 2, 4, 1 and 3
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [4.0]])
    k = {d: math.exp(-d * d / 2) for d in (0, 1, 2, 3, 4)}
    across = (k[2] + k[4] + k[1] + k[3]) / 4
    assert mmd(x, y, sigma=1.0) == pytest.approx(k[1] + k[2] - 2 * across, abs=1e-14)
    biased = (2 * k[0] + 2 * k[1]) / 4 + (2 * k[0] + 2 * k[2]) / 4 - 2 * across
    assert mmd(x, y, sigma=1.0, biased=True) == pytest.approx(biased, abs=1e-14)


def test_cmmd_of_opposite_and_equal_embeddings() -> None:
    x = torch.tensor([[1.0, 0.0], [5.0, 0.0]])  # of length 1, both are the same
    assert cmmd(x, x) == 0.0
    # two apart: 1000 * (1 + 1 - 2 exp(-4 / 200))
    assert cmmd(x, -x) == pytest.approx(2000 * (1 - math.exp(-0.02)), rel=1e-12)


def test_the_u_statistic_is_right_on_average_and_the_v_statistic_is_not() -> None:
    pairs = [(features(8, seed=seed), features(8, seed=1000 + seed)) for seed in range(300)]
    unbiased = sum(cmmd(x, y) for x, y in pairs) / len(pairs)
    biased = sum(cmmd(x, y, biased=True) for x, y in pairs) / len(pairs)
    assert abs(unbiased) < 0.2
    assert biased == pytest.approx(10 / 8 + 10 / 8, rel=0.1)  # the spread of such embeddings is about 1


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = features(23), features(17, seed=1, shift=0.5)
    whole = mmd(x, y, sigma=2.0)
    monkeypatch.setattr(distances, "BLOCK", 4)
    assert mmd(x, y, sigma=2.0) == pytest.approx(whole, rel=1e-12)
    assert mmd(y, x, sigma=2.0) == pytest.approx(whole, rel=1e-12)


def test_small_differences_keep_their_digits() -> None:
    x = features(50, seed=2)
    y = x + 1e-6 * features(50, seed=3)
    squared = torch.cdist(torch.cat([x, y]), torch.cat([x, y])).square() / 200
    kernel = torch.expm1(-squared)
    truth = float(kernel[:50, :50].mean() + kernel[50:, 50:].mean() - 2 * kernel[:50, 50:].mean())
    assert mmd(x, y, sigma=10.0, biased=True) == pytest.approx(truth, abs=1e-16)


def test_frechet_of_gaussians_in_closed_form() -> None:
    # independent axes: |m - n|^2 + sum (s - t)^2
    mean_x, mean_y = torch.tensor([1.0, 2.0]).double(), torch.tensor([4.0, -2.0]).double()
    cov_x, cov_y = torch.diag(torch.tensor([4.0, 9.0]).double()), torch.diag(torch.tensor([1.0, 25.0]).double())
    assert frechet_of(mean_x, cov_x, mean_y, cov_y) == pytest.approx(25 + 1 + 4, rel=1e-12)


def test_frechet_of_gaussians_that_do_not_commute() -> None:
    a, b = features(5, 5), features(5, 5, seed=1)
    cov_x, cov_y, zero = a @ a.T, b @ b.T, torch.zeros(5).double()
    # tr((C D)^1/2) is the sum of the roots of the eigenvalues of C D
    shared = torch.linalg.eigvals(cov_x @ cov_y).real.clamp_min(0).sqrt().sum()
    truth = float(cov_x.trace() + cov_y.trace() - 2 * shared)
    assert frechet_of(zero, cov_x, zero, cov_y) == pytest.approx(truth, rel=1e-6)


def test_frechet_of_sets() -> None:
    x = features(200)
    turn = torch.linalg.qr(features(6, 6, seed=7)).Q
    assert frechet(x, x) == pytest.approx(0.0, abs=1e-9)
    assert frechet(x, x + 2.0) == pytest.approx(6 * 4.0, rel=1e-9)  # only the mean moves, by 2 on six axes
    y = features(150, seed=1) * 2
    assert frechet(x, y) == pytest.approx(frechet(y, x), rel=1e-9)
    assert frechet(x @ turn, y @ turn) == pytest.approx(frechet(x, y), rel=1e-9)
    assert frechet(x[:, :1], 3 * x[:, :1]) == pytest.approx(
        float((2 * x[:, 0].std()) ** 2 + (2 * x[:, 0].mean()) ** 2), rel=1e-9
    )


def test_fewer_pictures_than_numbers_work() -> None:
    x, y = features(4, 30), features(5, 30, seed=1)
    assert frechet(x, x) == pytest.approx(0.0, abs=1e-5)
    assert frechet(x, y) > 1


@pytest.mark.parametrize("distance", [frechet, cmmd])
def test_what_cannot_be_compared_is_refused(distance) -> None:
    with pytest.raises(UserError, match="2 pictures or more in either set, got 1 and 5"):
        distance(features(1), features(5))
    with pytest.raises(UserError, match=r"one network, got \[3, 6\] and \[3, 7\]"):
        distance(features(3), features(3, 7))
