"""Constraints that pull to a changed version of the frame: literal values and where they pull."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.filtering import gaussian_blur
from fastclipgen.guidance.frame_constraints.base import Manner
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS

from .stepping import draws, value_of, values_at


def frame(side: int = 4) -> Tensor:
    return torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))


def slope(name: str, picture: Tensor, manner: Manner, **given: object) -> Tensor:
    picture = picture.clone().requires_grad_()
    return torch.autograd.grad(value_of(name, picture, manner, **given).sum(), picture)[0]


def test_blur() -> None:
    picture = torch.zeros(3, 4, 4)
    picture[0, :, :2] = 1.0  # a window of three, deviation 0.8: at the edge between black and white
    weight = torch.exp(torch.tensor(-0.5 / 0.8**2))
    apart = float(weight / (1 + 2 * weight))
    torch.testing.assert_close(value_of("blur", picture), torch.tensor([[100 * 8 * apart**2 / 48]]))
    torch.testing.assert_close(value_of("blur", picture, Manner("l1")), torch.tensor([[100 * 8 * apart / 48]]))
    blurred = gaussian_blur(frame(9)[None, None], torch.tensor([[[5.0, 1.0]]]), torch.tensor([[[0.5, 3.0]]]))
    found = value_of("blur", frame(9), kernel_size=[5, 1], sigma=[0.5, 3])
    torch.testing.assert_close(found, 100 * (blurred - frame(9)).square().mean().view(1, 1))


@pytest.mark.parametrize(("size", "pixels"), [(1, 12), ("1 0", 8), ([0, 1], 8), (2, 16), (0, 0), (99, 16)])
def test_border(size: object, pixels: int) -> None:
    grey = torch.full((3, 4, 4), 0.5)
    found = value_of("border", grey, size=size, color=[0.5, 0.7, 0.1])
    torch.testing.assert_close(found, torch.tensor([[100 * pixels * (0.04 + 0.16) / 48]]))
    found = value_of("border", grey, Manner("l1"), size=size, color=[0.5, 0.7, 0.1])
    torch.testing.assert_close(found, torch.tensor([[100 * pixels * (0.2 + 0.4) / 48]]))


def test_border_columns_come_first_and_black_is_the_default() -> None:
    found = slope("border", torch.full((3, 4, 4), 0.5), Manner(), size=[1, 0])
    assert (found != 0).any(0).any(0).tolist() == [True, False, False, True]
    torch.testing.assert_close(value_of("border", torch.ones(3, 4, 4)), torch.tensor([[100 * 12 / 16]]))


def test_normalize() -> None:
    picture = torch.tensor([[[0.2, 0.4], [0.6, 0.2]], [[0.0, 1.0], [0.5, 0.5]], [[0.3, 0.3], [0.3, 0.3]]])
    # red 0, .5, 1, 0; green as it is; blue, which is flat, goes to the minimum
    apart = [0.2, 0.1, 0.4, 0.2, 0.3, 0.3, 0.3, 0.3]
    expected = torch.tensor([[10 * sum(a * a for a in apart) / 12]])
    torch.testing.assert_close(value_of("normalize", picture), expected)
    torch.testing.assert_close(value_of("normalize", picture, Manner("l1")), torch.tensor([[10 * sum(apart) / 12]]))
    found = value_of("normalize", picture, Manner("l1"), min=[0.2, 0.0, 0.3], max=[0.6, 0.5, 0.9])
    torch.testing.assert_close(found, torch.tensor([[10 * (0.0 + 0.5 + 0.25 + 0.25) / 12]]))


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_noise_is_as_large_as_it_says(loss: str) -> None:
    constraint, frames = CONSTRAINTS["noise"], torch.rand(1, 2, 3, 64, 64)
    found = constraint.value(frames, values_at(constraint, {"std": [0.3, 0.0, 0.1]}), Manner(loss), draws(1, 2))
    mean = (0.4 * (2 / torch.pi) ** 0.5 if loss == "l1" else 0.09 + 0.01) / 3  # of |N| it is the root of 2 / pi
    torch.testing.assert_close(found, torch.full((1, 2), 100 * mean), rtol=0.05, atol=0)
    assert found[0, 0] != found[0, 1]
    again = constraint.value(frames, values_at(constraint, {"std": [0.3, 0.0, 0.1]}), Manner(loss), draws(1, 2, 1))
    assert not (found == again).any()


def test_noise_pulls_only_where_the_noisy_picture_stays_put() -> None:
    assert bool(slope("noise", frame(), Manner(), std=0.1).all())
    drifting = Manner(drift=True)
    torch.testing.assert_close(value_of("noise", frame(), drifting, std=0.1), value_of("noise", frame(), std=0.1))
    assert not slope("noise", frame(), drifting, std=0.1).any()
