from __future__ import annotations

import pytest
import torch

from .moving import apply, draws, first, numbered


@pytest.mark.parametrize(
    ("xywh", "columns", "rows"),
    [
        ((2, 1, 3, 2), (2, 5), (1, 3)),
        ((0.25, 0.5, 0.5, 0.25), (2, 6), (2, 3)),
        ((0, 0, 1, 1), (0, 1), (0, 1)),  # 1 is a pixel
        ((0.5, 0, 100, 0.99), (4, 8), (0, 3)),  # no further than the picture goes
        ((-3, 9, 2, 2), (0, 2), (3, 4)),
        ((0, 0, 0, 0), (0, 1), (0, 1)),
    ],
)
def test_crop_takes_fractions_below_one_and_pixels_from_one_on(
    xywh: tuple[float, ...], columns: tuple[int, int], rows: tuple[int, int]
) -> None:
    frames = numbered(4, 8)
    expected = frames[..., slice(*rows), slice(*columns)]
    assert torch.equal(apply("crop", frames, xywh=xywh), expected)


def test_center_crop_is_width_by_height() -> None:
    frames = numbered(5, 6)
    assert torch.equal(apply("center_crop", frames, size=(2, 3)), frames[..., 1:4, 2:4])
    assert torch.equal(apply("center_crop", frames, size=(2, 3), compat=True), frames[..., 2:4, 2:5])
    assert torch.equal(apply("center_crop", frames, size=(6, 5)), frames)


def test_center_crop_has_black_around_a_smaller_picture() -> None:
    assert first(apply("center_crop", numbered(2, 2), size=(4, 1))) == [[0, 1, 2, 0]]
    assert first(apply("center_crop", numbered(1, 2), size=(3, 4))) == [[0] * 3, [1, 2, 0], [0] * 3, [0] * 3]


def test_random_crop_finds_every_place_alike() -> None:
    crops = apply("random_crop", numbered(4, 5), draws(frames=3000), size=(2, 3))
    assert crops.shape == (1, 3000, 3, 3, 2)
    corner = crops[0, :, 0, 0, 0].to(torch.int64) - 1
    y, x = corner // 5, corner % 5
    share = (4 * y + x).bincount() / 3000 * 8  # 2 x 4 places
    assert share.shape == (8,)
    assert (share - 1).abs().max() < 0.25
    whole = crops[0, :, 0] - crops[0, :, 0, :1, :1]
    assert torch.equal(whole, torch.tensor([[0.0, 1], [5, 6], [10, 11]]).expand(3000, -1, -1))


def test_random_crop_swaps_its_numbers_with_compat() -> None:
    assert apply("random_crop", numbered(4, 5), size=(2, 3), compat=True).shape == (1, 1, 3, 2, 3)


def test_random_crop_has_black_around_a_smaller_picture() -> None:
    assert first(apply("random_crop", numbered(2, 1), size=(3, 4))) == [[0] * 3, [0, 1, 0], [0, 2, 0], [0] * 3]
    crops = apply("random_crop", numbered(3, 1), draws(frames=40), size=(2, 2))
    assert (crops[..., 1] == 0).all()
    assert sorted(set(crops[0, :, 0, 0, 0].tolist())) == [1, 2]
