"""How near pictures are to others: known values."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fastclipgen.training.measures import kernel_distance, psnr


def test_psnr_of_known_errors() -> None:
    truth = torch.full((2, 3, 4, 4), 0.5)
    found = psnr(truth + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1), truth)
    torch.testing.assert_close(found, torch.tensor([20.0, 40.0]), rtol=1e-4, atol=1e-4)
    assert float(psnr(torch.full((1, 3), 7.0), torch.ones(1, 3))) == pytest.approx(90)  # colours beyond 1 are 1


def test_kernel_distance_by_hand() -> None:
    """Two pairs at right angles: (0 + 1)^3 within one, (cos 60 + 1)^3 within the other, four across."""
    ours = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    theirs = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
    across = [1.0, 0.5, 0.0, math.sqrt(0.75)]
    wanted = 1000 * (1 + 1.5**3 - 2 * sum((cosine + 1) ** 3 for cosine in across) / 4)
    assert float(kernel_distance(ours, theirs)) == pytest.approx(wanted, rel=1e-6)


def test_kernel_distance_is_about_0_for_one_distribution_and_grows_with_the_gap() -> None:
    draw = torch.Generator().manual_seed(0)

    def sample(shift: float) -> torch.Tensor:
        points = torch.randn(400, 6, generator=draw)
        points[:, 0] += shift
        return F.normalize(points, dim=1)

    same = [float(kernel_distance(sample(0), sample(0))) for _ in range(8)]
    assert abs(sum(same) / 8) < 10
    assert min(same) < 0 < max(same)
    near, far = (float(kernel_distance(sample(0), sample(shift))) for shift in (0.5, 2.0))
    assert 30 < near < far
