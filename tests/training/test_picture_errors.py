"""Errors of pictures by themselves, against values that are known."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.training.picture_errors import error_of


def test_errors_are_means_over_a_pictures_values() -> None:
    truth = torch.zeros(2, 3, 4, 5)
    images = truth + torch.tensor([0.5, -0.2])[:, None, None, None]
    assert error_of(images, truth, "l2").tolist() == pytest.approx([0.25, 0.04])
    assert error_of(images, truth, "l1").tolist() == pytest.approx([0.5, 0.2])


def test_slopes_count_what_blur_makes_wrong() -> None:
    """A step of 1 between two columns, drawn as two steps of a half: off by half a slope at two of five places."""
    truth = torch.zeros(1, 3, 6, 6)
    truth[..., 3:] = 1
    blurred = truth.clone()
    blurred[..., 2] = 0.5
    plain = error_of(blurred, truth, "l1")
    assert plain.item() == pytest.approx(0.5 / 6)
    assert error_of(blurred, truth, "l1", edges=2.0).item() == pytest.approx(0.5 / 6 + 2 * (2 * 0.5 / 5))
    assert error_of(blurred.mT, truth.mT, "l1", edges=2.0).item() == pytest.approx(0.5 / 6 + 2 * (2 * 0.5 / 5))
    assert error_of(truth + 0.5, truth, "l1", edges=2.0).item() == pytest.approx(0.5)
