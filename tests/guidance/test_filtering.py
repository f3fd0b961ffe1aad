"""The shared Gaussian blur against weights by hand, torchvision's, and windows larger than the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as torchvision

from fastclipgen.guidance.filtering import gaussian_blur, painted_border


def pair(x: float, y: float) -> Tensor:
    return torch.tensor([[[x, y]]])


def row(*values: float) -> Tensor:
    """One frame [1, 1, 1, 1, W]."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, 1, -1)


def test_weights_by_hand() -> None:
    middle, next_to_it = 0.45186, 0.27407  # 1 and exp(-1/2), divided by their sum 2.21306
    spot = gaussian_blur(row(0, 0, 1, 0, 0), pair(3, 1), pair(1, 1))
    torch.testing.assert_close(spot, row(0, next_to_it, middle, next_to_it, 0), rtol=0, atol=1e-5)
    corner = gaussian_blur(row(1, 0, 0), pair(3, 1), pair(1, 1))
    torch.testing.assert_close(corner, row(middle, next_to_it, 0), rtol=0, atol=1e-5)
    beside = gaussian_blur(row(0, 1, 0), pair(3, 1), pair(1, 1))  # mirrored, both ends see it twice
    torch.testing.assert_close(beside, row(2 * next_to_it, middle, 2 * next_to_it), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "sigma"),
    [((3, 3), None), ((5, 9), None), ((7, 1), (2.0, 0.5)), ((3, 5), (0.35, 100.0)), ((23, 17), (4.0, 3.0))],
)
def test_it_is_torchvisions(kernel: tuple[int, int], sigma: tuple[float, float] | None) -> None:
    frames = torch.rand(2, 2, 3, 9, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    blurred = gaussian_blur(frames, pair(*kernel), None if sigma is None else pair(*sigma))
    expected = torchvision.gaussian_blur(frames.flatten(0, 1), list(kernel), None if sigma is None else list(sigma))
    torch.testing.assert_close(blurred.flatten(0, 1), expected, rtol=0, atol=1e-6)


def test_even_and_tiny_windows() -> None:
    frames = torch.rand(1, 1, 3, 6, 7, generator=torch.Generator().manual_seed(2))
    assert torch.equal(gaussian_blur(frames, pair(4, 2)), gaussian_blur(frames, pair(5, 3)))
    for nothing in (1, 0, -3):
        assert torch.equal(gaussian_blur(frames, pair(nothing, nothing)), frames)
    assert torch.equal(gaussian_blur(frames, pair(9, 9), pair(0, 0)), frames)


def test_a_window_larger_than_the_picture_sees_every_pixel_twice_at_most() -> None:
    frames = torch.rand(1, 1, 1, 1, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    mirrored = np.pad(frames.flatten().numpy(), 3, mode="reflect")
    weights = np.exp(-0.5 * (np.arange(-3, 4) / 2.5) ** 2)
    expected = np.convolve(mirrored, weights / weights.sum(), mode="valid")
    for size in (7, 8, 99, 1e6):
        blurred = gaussian_blur(frames, pair(size, size), pair(2.5, 2.5))
        np.testing.assert_allclose(blurred.flatten().numpy(), expected, atol=1e-6)


def test_each_frame_has_its_own_window() -> None:
    frames = torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    sizes = torch.tensor([1.0, 3, 5, 7, 9, 11]).view(2, 3, 1).expand(-1, -1, 2)
    sigmas = sizes / 3
    blurred = gaussian_blur(frames, sizes, sigmas)
    for b in range(2):
        for n in range(3):
            own = gaussian_blur(frames[b, n][None, None], sizes[b, n].view(1, 1, 2), sigmas[b, n].view(1, 1, 2))
            torch.testing.assert_close(blurred[b, n], own[0, 0], rtol=0, atol=1e-6)


def test_a_painted_border() -> None:
    frames = torch.full((1, 2, 3, 3, 4), 0.5)
    sizes = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # one frame with columns, one with rows
    painted = painted_border(frames, sizes, torch.tensor([[[0.0, 0.25, 1.0]]]))
    assert painted[0, 0, 1].tolist() == [[0.25, 0.5, 0.5, 0.25]] * 3
    assert painted[0, 0, 2].tolist() == [[1, 0.5, 0.5, 1]] * 3
    assert painted[0, 1, 0].tolist() == [[0] * 4, [0.5] * 4, [0] * 4]
    assert torch.equal(painted_border(frames, pair(-1, 0), torch.zeros(1, 1, 3)), frames)
    assert (painted_border(frames, pair(2, 0), torch.ones(1, 1, 3)) == 1).all()
