from __future__ import annotations

from typing import Any

import pytest
import torch

from .moving import apply, first, numbered, row

BLACK = row(0, 0, 0)


@pytest.mark.parametrize(
    ("size", "mode", "expected"),
    [
        ((1, 0), "fill", [[0, 1, 2, 0], [0, 3, 4, 0]]),
        ((0, 1), "fill", [[0, 0], [1, 2], [3, 4], [0, 0]]),
        ((-2, -1), "fill", [[1, 2], [3, 4]]),
        ((-2, -1), "edge", [[1, 2], [3, 4]]),
        ((-2, -1), "wrap", [[1, 2], [3, 4]]),
        ((1, 1), "edge", [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]),
        ((1, 0), "wrap", [[2, 1, 2, 1], [4, 3, 4, 3]]),
        ((3, 1), "wrap", [[4, 3, 4, 3, 4, 3, 4, 3], [2, 1, 2, 1, 2, 1, 2, 1]] * 2),
    ],
)
def test_pad(size: tuple[int, int], mode: str, expected: list[list[float]]) -> None:
    padded = apply("pad", numbered(2, 2), size=size, mode=mode, color=BLACK)
    assert first(padded) == expected
    assert torch.equal(padded[:, :, 1] != 0, padded[:, :, 0] != 0)


def test_pad_fills_with_the_colour_of_each_picture() -> None:
    colours = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    padded = apply("pad", numbered(2, 2).expand(2, -1, -1, -1, -1), size=(1, 1), mode="fill", color=colours)
    assert torch.equal(padded[:, 0, :, 0, 0], colours)
    assert torch.equal(padded[:, 0, :, -1, -1], colours)
    assert torch.equal(padded[:, 0, :, 1:3, 1:3], numbered(2, 2)[0].expand(2, -1, -1, -1))


def test_repeat_puts_copies_to_the_right_and_below() -> None:
    assert first(apply("repeat", numbered(1, 2), count=(3, 2))) == [[1, 2, 1, 2, 1, 2]] * 2
    assert first(apply("repeat", numbered(1, 2), count=(0, 1))) == [[1, 2]]


def test_resize_is_width_by_height_and_mixes_linearly() -> None:
    frames = numbered(2, 4)
    assert apply("resize", frames, size=(6, 3)).shape == (1, 1, 3, 3, 6)
    assert first(apply("resize", frames, size=(4, 2))) == first(frames)
    assert first(apply("resize", frames[..., :1, :2], size=(4, 1))) == [[1, 1.25, 1.75, 2]]
    # smaller by three: a mean that has hardly anything of one pixel in three alone
    spikes = torch.zeros(1, 1, 3, 3, 30)
    spikes[..., 0::3] = 1.0
    shrunk = apply("resize", spikes, size=(10, 1))
    assert shrunk.min() > 0.15
    assert shrunk.max() < 0.5


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pad", {"size": (2, 3), "mode": "fill", "color": BLACK}),
        ("pad", {"size": (2, 3), "mode": "edge", "color": BLACK}),
        ("pad", {"size": (2, 9), "mode": "wrap", "color": BLACK}),
        ("repeat", {"count": (2, 3)}),
        ("resize", {"size": (5, 9)}),
    ],
)
def test_gradients(name: str, values: dict[str, Any]) -> None:
    frames = torch.rand(2, 1, 3, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(lambda x: apply(name, x, **values), frames.requires_grad_())
