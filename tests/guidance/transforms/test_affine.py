from __future__ import annotations

import math

import pytest
import torch

from .moving import apply, draws, first, geometric, numbered, row, smooth

MIDDLE = row(0.5, 0.5)


def test_rotate_turns_counter_clockwise() -> None:
    turned = apply("rotate", numbered(3, 3), degree=torch.tensor([90.0]), center=MIDDLE)
    torch.testing.assert_close(turned, numbered(3, 3).rot90(1, (3, 4)), rtol=0, atol=0.02)
    assert [[round(number) for number in line] for line in first(turned)] == [[3, 6, 9], [2, 5, 8], [1, 4, 7]]


def test_rotate_about_a_corner_leaves_the_rest_black() -> None:
    turned = apply("rotate", numbered(3, 3), degree=torch.tensor([-90.0]), center=row(0, 1))
    # the top left corner goes to the bottom right of where it was, out of the frame, and nothing comes in
    assert turned.abs().max() < 0.02
    half = apply("rotate", numbered(2, 4), degree=torch.tensor([180.0]), center=row(0.25, 0.5))
    torch.testing.assert_close(half[0, 0, 0], torch.tensor([[6.0, 5, 0, 0], [2, 1, 0, 0]]), rtol=0, atol=0.02)


def test_rotate_keeps_round_things_round_in_wide_pictures() -> None:
    frames = smooth(20, 40)[:1, None]
    around = apply("rotate", frames, degree=torch.tensor([40.0]), center=MIDDLE)
    back = apply("rotate", around, degree=torch.tensor([-40.0]), center=MIDDLE)
    torch.testing.assert_close(back[..., 7:13, 14:26], frames[..., 7:13, 14:26], rtol=0, atol=0.06)


def places(name: str, frames: int = 2000, **values: torch.Tensor) -> list[torch.Tensor]:
    stage = geometric(name).stage(20, 40, values, draws(frames=frames))
    assert stage is not None
    assert stage.bounded
    return [plane[0] if isinstance(plane, torch.Tensor) else torch.tensor(plane) for plane in stage.places]


def assert_uniform(numbers: torch.Tensor, low: float, high: float) -> None:
    """2000 numbers: nothing outside, and every fifth of the range holds its share."""
    assert numbers.min() > low - 1e-3
    assert numbers.max() < high + 1e-3
    share = torch.histc(numbers.double(), 5, low, high) / len(numbers) * 5
    assert (share - 1).abs().max() < 0.25


def test_random_rotate_draws_angle_and_centre_apart() -> None:
    cosine, minus_sine, x0, sine, _, y0 = places("random_rotate", degree=row(-30, 10), center=row(0.3, 0.7))
    angle = torch.atan2(sine, cosine)
    assert_uniform(torch.rad2deg(angle), -30, 10)
    assert torch.equal(minus_sine, -sine)
    # the centre c solves c = R c + t
    turned = angle.abs() > 0.1
    linear = torch.stack((1 - cosine, sine, -sine, 1 - cosine), -1).unflatten(-1, (2, 2))[turned]
    centre = torch.linalg.solve(linear.double(), torch.stack((x0, y0), -1)[turned].double())
    assert_uniform(centre[:, 0], 12, 28)
    assert_uniform(centre[:, 1], 6, 14)
    assert abs(float(torch.corrcoef(centre.T)[0, 1])) < 0.1


def test_random_scale_draws_a_factor_about_the_middle() -> None:
    xx, xy, x0, yx, yy, y0 = places("random_scale", scale=row(0.5, 2))
    assert_uniform(1 / xx, 0.5, 2)
    assert torch.equal(xx, yy)
    assert float(xy) == float(yx) == 0
    torch.testing.assert_close(20 * xx + x0, torch.full_like(x0, 20))
    torch.testing.assert_close(10 * yy + y0, torch.full_like(y0, 10))


def test_random_scale_of_one_half_has_black_around() -> None:
    half = apply("random_scale", torch.ones(1, 1, 3, 8, 8), scale=row(0.5, 0.5))
    assert half[..., 2:6, 2:6].min() > 0.99
    assert half.sum() / 3 == pytest.approx(16, abs=0.1)
    assert apply("random_scale", torch.ones(1, 1, 3, 8, 8), scale=row(0, 0)).isfinite().all()


def test_random_translate_moves_whole_pixels_up_to_a_fraction() -> None:
    xx, _, x0, _, yy, y0 = places("random_translate", offset=row(0.25, 0.1))
    assert float(xx) == float(yy) == 1
    assert x0.unique().tolist() == list(range(-10, 11))
    assert y0.unique().tolist() == list(range(-2, 3))
    share = torch.bincount((x0 + 10).to(torch.int64)) / 2000 * 20
    assert (share[1:-1] - 1).abs().max() < 0.5  # five deviations of 100 counts
    assert (share[[0, -1]] - 0.5).abs().max() < 0.35  # half as wide
    moved = apply("random_translate", numbered(4, 5), draws(frames=30), offset=row(0.4, 0.25))
    for frame in moved[0, :, 0]:
        y, x = (int(number) for number in (frame == 13).nonzero()[0])  # row 2, column 2, which stays in sight
        expected = torch.zeros(4, 5)
        expected[max(0, y - 2) : 4 + min(0, y - 2), max(0, x - 2) : 5 + min(0, x - 2)] = numbered(4, 5)[
            0, 0, 0, max(0, 2 - y) : 4 + min(0, 2 - y), max(0, 2 - x) : 5 + min(0, 2 - x)
        ]
        torch.testing.assert_close(frame, expected, rtol=0, atol=1e-3)


def test_a_picture_alone_is_turned_to_the_same_bits() -> None:
    seeds, degree = (3, 9, -5), torch.tensor([[-9.0, 9.0], [0.0, 90.0], [45.0, 46.0]])
    frames = torch.rand(3, 1, 3, 7, 9, generator=torch.Generator().manual_seed(1))
    together = apply("random_rotate", frames, draws(1, 4, 2, seeds), degree=degree, center=row(0, 1))
    for i, seed in enumerate(seeds):
        own = apply(
            "random_rotate", frames[i : i + 1], draws(1, 4, 2, (seed,)), degree=degree[i : i + 1], center=row(0, 1)
        )
        assert torch.equal(own[0], together[i])


def test_gradients() -> None:
    frames = torch.rand(1, 1, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    degree = torch.tensor([33.0])
    assert math.isfinite(float(apply("rotate", frames, degree=degree, center=MIDDLE).sum()))
    assert torch.autograd.gradcheck(lambda x: apply("rotate", x, degree=degree, center=MIDDLE), frames.requires_grad_())
