from __future__ import annotations

import pytest
import torch

from .moving import apply, draws, first, geometric, numbered, row


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ((1, 0), [[3, 1, 2], [6, 4, 5]]),
        ((0, 1), [[4, 5, 6], [1, 2, 3]]),
        ((-1, 0), [[2, 3, 1], [5, 6, 4]]),
        ((0.4, 0), [[3, 1, 2], [6, 4, 5]]),  # 1.2 pixels
        ((0, -0.5), [[4, 5, 6], [1, 2, 3]]),
        ((0.3, 0), [[1, 2, 3], [4, 5, 6]]),  # 0.9 pixels
        ((3, 0), [[1, 2, 3], [4, 5, 6]]),
        ((1000003, -1000001), [[6, 4, 5], [3, 1, 2]]),
    ],
)
def test_shift_moves_right_and_down_and_around(offset: tuple[float, float], expected: list[list[float]]) -> None:
    assert first(apply("shift", numbered(2, 3), offset=row(*offset))) == expected


def test_each_picture_is_shifted_by_its_own_numbers() -> None:
    offset = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    shifted = apply("shift", numbered(2, 3).expand(2, -1, -1, -1, -1), offset=offset)
    assert shifted[:, 0, 0].tolist() == [[[3, 1, 2], [6, 4, 5]], [[4, 5, 6], [1, 2, 3]]]


def offsets(*numbers: float, compat: bool = False) -> torch.Tensor:
    """[2, frames] of 4000 frames of 8 x 10 pixels (height x width): how far right and down."""
    shift = geometric("random_shift")
    stage = shift.stage(8, 10, {"offset": row(*numbers), "compat": compat}, draws(frames=4000))
    assert stage is not None
    places = stage.places
    assert isinstance(places.x0, torch.Tensor)
    assert isinstance(places.y0, torch.Tensor)
    return torch.stack((torch.remainder(-places.x0[0], 10), torch.remainder(-places.y0[0], 8)))


@pytest.mark.parametrize("numbers", [(-1, 1), (0, 1), (0, 1, -1, 0)])
def test_random_shift_finds_every_place_alike(numbers: tuple[float, ...]) -> None:
    x, y = offsets(*numbers).to(torch.int64)
    for found, length in ((x, 10), (y, 8)):
        share = found.bincount(minlength=length) / 4000 * length
        assert share.shape == (length,)
        assert (share - 1).abs().max() < 0.25  # five deviations of 400 counts
    assert abs(float(torch.corrcoef(torch.stack((x, y)).double())[0, 1])) < 0.07


def test_random_shift_by_pixels() -> None:
    x, y = offsets(-3, 3)
    assert x.unique().tolist() == [0, 1, 2, 7, 8, 9]
    x, y = offsets(2, 4, 0, 0)
    assert x.unique().tolist() == [2, 3]
    assert y.unique().tolist() == [0]


def test_random_shift_takes_small_numbers_for_fractions_one_by_one_only_with_compat() -> None:
    assert offsets(0, 3)[0].unique().tolist() == [0, 1, 2]
    assert offsets(0, 3, compat=True)[0].unique().tolist() == list(range(10))


def test_random_shift_wraps_what_it_moves() -> None:
    moved = apply("random_shift", numbered(4, 5), draws(frames=6), offset=row(-1, 1))
    assert moved.shape == (1, 6, 3, 4, 5)
    for frame in moved[0, :, 0]:
        down, right = (int(number) for number in (frame == 1).nonzero()[0])
        assert torch.equal(frame, numbered(4, 5)[0, 0, 0].roll((down, right), (0, 1)))
    assert len({tuple(frame.flatten().tolist()) for frame in moved[0, :, 0]}) > 3
