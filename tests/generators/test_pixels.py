from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.generators.pixels import Pixels


def test_start_is_grey_with_the_asked_noise() -> None:
    start = Pixels(40, 50, noise=0.02).init(torch.tensor([4]))["rgb"]
    assert start.mean() == pytest.approx(0.5, abs=0.002)
    assert start.std() == pytest.approx(0.02, rel=0.1)
    assert torch.equal(Pixels(4, 4, noise=0.0).init(torch.tensor([4]))["rgb"], torch.full((1, 3, 4, 4), 0.5))


def test_start_picture_is_not_shared() -> None:
    images = torch.zeros(1, 3, 4, 4)
    Pixels(4, 4).init_from(images)["rgb"].add_(1.0)
    assert images.max() == 0


def test_wrong_noise_is_refused() -> None:
    for noise in (-0.1, float("nan"), 2.0):
        with pytest.raises(UserError, match="noise"):
            Pixels(4, 4, noise=noise)
