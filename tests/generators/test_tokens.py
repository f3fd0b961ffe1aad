from __future__ import annotations

import pytest
import torch

from fastclipgen.generators.tokens import TokenGrid


@pytest.mark.parametrize(("height", "width", "factor"), [(16, 32, 8), (1, 1, 16), (17, 30, 8), (5, 7, 1)])
def test_the_picture_is_the_centre_of_its_tokens(height: int, width: int, factor: int) -> None:
    grid = TokenGrid(height, width, factor)
    assert (grid.rows - 1) * factor < height <= grid.rows * factor
    assert (grid.cols - 1) * factor < width <= grid.cols * factor
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    padded = grid.pad(images)
    assert padded.shape == (2, 3, grid.rows * factor, grid.cols * factor)
    assert torch.equal(grid.crop(padded), images)
    assert torch.equal(padded[..., 0, 0], images[..., 0, 0])
    assert torch.equal(padded[..., -1, -1], images[..., -1, -1])
    spare = padded.shape[2] - height
    assert grid.top == spare // 2


def test_whole_tokens_are_left_alone() -> None:
    images = torch.rand(1, 3, 16, 24)
    assert torch.equal(TokenGrid(16, 24, 8).pad(images), images)
