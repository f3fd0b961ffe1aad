from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.generators import stack_preconditioner
from fastclipgen.generators.stack_preconditioner import ExactPreconditioner, LowRankPreconditioner
from fastclipgen.generators.upsampling import bicubic_matrix, resolution_pairs


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pairs(height: int, width: int) -> list[tuple[int, int]]:
    return resolution_pairs(height, width, range(1, max(height, width) + 1))


def dense(mapping: nn.Module, height: int, width: int) -> Tensor:
    """The map as a matrix [H*W, H*W]."""
    return mapping(torch.eye(height * width).view(-1, 1, height, width)).reshape(height * width, -1)


@pytest.mark.parametrize("size", [(24, 24), (12, 17), (9, 5)])
@pytest.mark.parametrize("chunk", [1, 8])
def test_is_the_sum_over_resolutions(size: tuple[int, int], chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_preconditioner, "_CHUNK", chunk)
    grad = torch.linspace(0, 40, 2 * 3 * size[0] * size[1]).sin().view(2, 3, *size)
    wanted = torch.zeros_like(grad)
    for rh, rw in pairs(*size):
        rows, cols = bicubic_matrix(size[0], rh), bicubic_matrix(size[1], rw)
        wanted += rows @ rows.T @ grad @ cols @ cols.T
    # Non-contiguous gradients are read right as well.
    got = ExactPreconditioner(*size, pairs(*size))(grad.mT.contiguous().mT)
    torch.testing.assert_close(got, wanted, atol=1e-10, rtol=0)


@pytest.mark.parametrize("size", [(12, 12), (9, 14)])
def test_symmetric_positive(size: tuple[int, int]) -> None:
    matrix = dense(ExactPreconditioner(*size, pairs(*size)), *size)
    torch.testing.assert_close(matrix, matrix.T, atol=1e-11, rtol=0)
    # The finest resolution is the identity, so no direction is weakened.
    assert torch.linalg.eigvalsh(matrix).min() >= 1.0 - 1e-9


@pytest.mark.parametrize("size", [(16, 16), (11, 16)])
def test_low_rank_error_is_as_stated(size: tuple[int, int]) -> None:
    exact = dense(ExactPreconditioner(*size, pairs(*size)), *size)
    last = 1.0
    for rank in (1, 3, 6):
        mapping = LowRankPreconditioner(*size, pairs(*size), rank)
        matrix = dense(mapping, *size)
        assert mapping.error == pytest.approx(float((matrix - exact).norm() / exact.norm()), rel=1e-6)
        assert mapping.error < 0.3 * last
        torch.testing.assert_close(matrix, matrix.T, atol=1e-10, rtol=0)
        last = mapping.error
    full = LowRankPreconditioner(*size, pairs(*size), 99)
    torch.testing.assert_close(dense(full, *size), exact, atol=1e-5, rtol=0)


def test_low_rank_keeps_every_direction_uphill() -> None:
    """A truncated map could turn fine detail around; at the ranks meant for use it does not."""
    for rank in (8, 16):
        matrix = dense(LowRankPreconditioner(24, 24, pairs(24, 24), rank), 24, 24)
        assert torch.linalg.eigvalsh(matrix).min() > 0.0


def test_gain_falls_like_one_over_frequency() -> None:
    size = 96
    mapping = ExactPreconditioner(size, size, pairs(size, size))
    points = torch.arange(size) + 0.5
    gains = []
    for frequency in (0, 2, 4, 8, 16):
        wave = torch.cos(torch.pi * points * frequency / size)
        plane = torch.outer(wave, wave) / wave.square().sum()
        gains.append(float((plane * mapping(plane)).sum()))
    assert gains[0] == pytest.approx(sum((size / r) ** 2 for r in range(1, size + 1)), rel=1e-3)
    assert all(1.5 < a / b < 4.5 for a, b in pairwise(gains[1:]))
