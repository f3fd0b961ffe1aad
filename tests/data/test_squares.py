"""Squares of pictures: which part of them, at which size."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.data.squares import square


def ramp(height: int, width: int) -> torch.Tensor:
    """Red rises by 1/255 a column, green by 1/255 a row."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, 7)]).float() / 255


@pytest.mark.parametrize(
    ("place", "first"), [((0.0, 0.0), (0, 0)), ((0.5, 0.5), (0, 20)), ((1.0, 1.0), (0, 40)), ((0.3, 0.24), (0, 10))]
)
def test_a_crop_of_the_short_side_itself(place: tuple[float, float], first: tuple[int, int]) -> None:
    cut = square(ramp(60, 100), 60, 60, place)
    assert cut.dtype == torch.uint8
    assert cut.shape == (3, 60, 60)
    assert (int(cut[1, 0, 0]), int(cut[0, 0, 0])) == first
    assert torch.equal(cut, (ramp(60, 100)[:, :, first[1] : first[1] + 60] * 255).round().to(torch.uint8))


def test_a_smaller_crop_moves_both_ways() -> None:
    corners = [square(ramp(60, 100), 30, 60, place)[:2, 0, 0].tolist() for place in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert corners == [[0, 0], [70, 0], [0, 30], [70, 30]]


@pytest.mark.parametrize(("height", "width"), [(120, 80), (80, 250)])
def test_the_short_side_is_resized(height: int, width: int) -> None:
    cut = square(ramp(height, width), 20, 40)  # half of the short side, at half its size
    assert cut.shape == (3, 20, 20)
    middle = cut.float().mean((1, 2))
    assert middle[:2].tolist() == pytest.approx([(width - 1) / 2, (height - 1) / 2], abs=0.6)
    steps = cut[0, 0].float().diff()[1:-1]
    assert steps.mean() == pytest.approx(2, abs=0.1)  # a column of it is two of the picture


def test_small_pictures_and_strips() -> None:
    assert square(ramp(2, 3), 16, 16).shape == (3, 16, 16)
    strip = square(ramp(1, 200), 8, 8, (0.0, 1.0))
    assert strip[0].unique().tolist() == [199]
