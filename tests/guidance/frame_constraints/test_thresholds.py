"""Constraints with thresholds: literal values, which side counts, and what they do to frames without any contrast."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.filtering import gaussian_blur
from fastclipgen.guidance.frame_constraints.base import Manner
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS

from .stepping import draws, value_of

CHANNELS = torch.tensor([[[0.0, 0.4], [0.2, 0.6]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 1.0], [0.0, 1.0]]])  # [3, 2, 2]
STD = [(0.2 / 3) ** 0.5, 0.0, 0.5]  # of four pixels, divided by three: (.09 + .01 + .01 + .09) / 3, 0, .75 / 3
# what each constraint measures of CHANNELS, its factor
AMOUNTS: dict[str, tuple[list[float], float]] = {
    "mean": ([0.3, 0.5, 0.75], 100.0),
    "std": (STD, 100.0),
    # greys .5, 1.9 / 3, .7 / 3, .7
    "saturation": (
        [(0.5 + 0.7 / 3 + 0.1 / 3 + 0.1) / 4, (0.4 / 3 + 0.8 / 3 + 0.2) / 4, (0.5 + 1.1 / 3 + 0.7 / 3 + 0.3) / 4],
        100.0,
    ),
    "contrast": ([0.5 - 0.1, 0.0, 1.0], 1.0),
}
every = pytest.mark.parametrize("name", AMOUNTS)


def mean(*numbers: float) -> Tensor:
    return torch.tensor([[sum(numbers) / len(numbers)]])


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@every
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_literal_values_on_the_wrong_side(name: str, loss: str) -> None:
    amounts, factor = AMOUNTS[name]
    power = 1 if loss == "l1" else 2
    for side, sign in (("above", 1), ("below", -1)):
        thresholds = [amounts[0] + sign * 0.1, amounts[1] + sign * 0.2, amounts[2] - sign * 0.3]
        found = value_of(name, CHANNELS, Manner(loss), **{side: thresholds})
        close(found, factor * mean(0.1**power, 0.2**power, 0.0))
        symmetric = value_of(name, CHANNELS, Manner(loss, hinge=False), **{side: thresholds})
        close(symmetric, factor * mean(0.1**power, 0.2**power, 0.3**power))


@every
def test_both_sides_add_up(name: str) -> None:
    amounts, factor = AMOUNTS[name]
    above, below = ([amount + apart for amount in amounts] for apart in (0.1, -0.2))
    close(value_of(name, CHANNELS, above=above, below=below), factor * mean(0.1**2 + 0.2**2))
    close(value_of(name, CHANNELS, above=below, below=above), mean(0.0))
    as_clipig = value_of(name, CHANNELS, Manner(hinge=False), above=below, below=above)
    close(as_clipig, factor * mean(0.1**2 + 0.2**2))


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("mean", (0.3 + 0.5 + 0.75) / 3),
        ("std", float(CHANNELS.std())),
        ("saturation", sum(AMOUNTS["saturation"][0]) / 3),
    ],
)
def test_all_channels_together(name: str, amount: float) -> None:
    """One number of the frame against three thresholds."""
    found = value_of(name, CHANNELS, Manner(pooled=True), above=[amount + 0.1, amount - 0.1, amount + 0.3])
    close(found, 100 * mean(0.1**2, 0.0, 0.3**2))


def test_mean_of_all_channels_matters_to_these_alone() -> None:
    frame = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(0))
    for name in ("contrast", "edge_mean", "edge_max"):
        found = [value_of(name, frame, Manner(pooled=pooled), above=1) for pooled in (False, True)]
        assert torch.equal(*found)


@pytest.mark.parametrize("flat", [0.0, 0.1, 0.7, 1.0])
def test_a_flat_frame_has_no_contrast_and_no_deviation(flat: float) -> None:
    """The mean of many pixels alike is seldom exactly their value, so all of them can lie on one side of it."""
    frame = torch.full((3, 37, 37), flat)
    frame[1] = 0.9
    for name in ("contrast", "std", "edge_mean", "edge_max"):
        close(value_of(name, frame, Manner("l1"), below=0), mean(0.0))


def spot(size: int = 11) -> Tensor:
    """[3, size, size]: one pixel of 1, of 0.5 and of 0 in the middle of black."""
    frame = torch.zeros(3, size, size)
    frame[:, size // 2, size // 2] = torch.tensor([1.0, 0.5, 0.0])
    return frame


@pytest.mark.parametrize("options", [{}, {"kernel_size": 5}, {"kernel_size": "3 7", "sigma": "0.5 2"}])
def test_edge_mean_of_a_spot(options: dict[str, Any]) -> None:
    """A blur gives away 1 - w of a spot, w its middle weight: that much lacks here and is found around it."""
    kernel = torch.tensor([[[3.0, 3.0]]]) if not options else torch.tensor([[[5.0, 5.0]]])
    sigma = None
    if "sigma" in options:
        kernel, sigma = torch.tensor([[[3.0, 7.0]]]), torch.tensor([[[0.5, 2.0]]])
    middle = float(gaussian_blur(spot()[None, None], kernel, sigma)[0, 0, 0, 5, 5])
    assert 0 < middle < 0.7
    lost = 2 * (1 - middle) / 121
    close(value_of("edge_mean", spot(), Manner("l1"), below=0, **options), 100 * mean(lost, lost / 2, 0))


def test_edge_max_of_a_spot() -> None:
    middle = float(gaussian_blur(spot()[None, None], torch.tensor([[[5.0, 5.0]]]))[0, 0, 0, 5, 5])
    close(value_of("edge_max", spot(), Manner("l1"), below=0), 100 * mean(1 - middle, (1 - middle) / 2, 0))
    two = spot()
    two[:, 1, 5] = 0.8 * two[:, 5, 5]  # another strong one, out of sight of the first
    assert float(gaussian_blur(two[None, None], torch.tensor([[[5.0, 5.0]]]))[0, 0, 0, 5, 5]) == middle
    # mirrored at the border, the second takes more of its own light back
    near = float(gaussian_blur(two[None, None], torch.tensor([[[5.0, 5.0]]]))[0, 0, 0, 1, 5])
    strong = (1 - middle + 0.8 - near) / 2
    close(value_of("edge_max", two, Manner("l1"), below=0), 100 * mean(strong, strong / 2, 0))


def test_frames_have_thresholds_of_their_own() -> None:
    frames = torch.stack((CHANNELS, CHANNELS))[None]
    above = torch.tensor([[[0.4, 0.5, 0.75], [0.3, 0.5, 0.95]]])
    found = CONSTRAINTS["mean"].value(frames, {"above": above, "below": None}, Manner(), draws(1, 2))
    close(found, torch.tensor([[1.0 / 3, 4.0 / 3]]))
