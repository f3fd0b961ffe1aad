"""DiffAugment: known values of each part, gradients, rows that do not know of each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.training.diff_augment import NUMBERS, POLICIES, diff_augment

STILL = (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)  # changes neither colours nor places


def pictures(count: int = 2, side: int = 16) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def draws(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_nothing_asked_changes_nothing() -> None:
    x = pictures()
    assert torch.equal(diff_augment(x, (), torch.rand(2, NUMBERS)), x)
    still = draws(STILL, STILL)
    torch.testing.assert_close(diff_augment(x, ("color", "translation"), still), x)


def test_colours() -> None:
    x = pictures(1)
    brighter = diff_augment(x, ("color",), draws((0.75, *STILL[1:])))
    torch.testing.assert_close(brighter, x + 0.25)
    grey = diff_augment(x, ("color",), draws((0.5, 0.0, *STILL[2:])))
    torch.testing.assert_close(grey, x.mean(1, keepdim=True).expand_as(x))
    vivid = diff_augment(x, ("color",), draws((0.5, 1.0, *STILL[2:])))
    torch.testing.assert_close(vivid, 2 * x - x.mean(1, keepdim=True))
    flat = diff_augment(x, ("color",), draws((0.5, 0.5, 0.0, *STILL[3:])))
    torch.testing.assert_close(flat, (x + x.mean()) / 2)


def test_translation() -> None:
    x = pictures(3)
    down = (*STILL[:3], 0.99, 0.5, 0.5, 0.5)
    left = (*STILL[:3], 0.5, 0.0, 0.5, 0.5)
    moved = diff_augment(x, ("translation",), draws(down, left, STILL))
    assert torch.equal(moved[0, :, 2:], x[0, :, :-2])
    assert (moved[0, :, :2] == 0).all()
    assert torch.equal(moved[1, :, :, :-2], x[1, :, :, 2:])
    assert (moved[1, :, :, -2:] == 0).all()
    assert torch.equal(moved[2], x[2])
    steps = {int(p[0].nonzero()[0, 0]) for p in diff_augment(
        torch.ones(5, 1, 16, 16), ("translation",), torch.tensor([(0, 0, 0, k / 5 + 0.1, 0.5, 0, 0) for k in range(5)])
    )}  # fmt: skip
    assert steps == {0, 1, 2}  # two up, one up and none begin at 0
    assert torch.equal(diff_augment(x, ("translation",), torch.ones(3, NUMBERS, dtype=torch.float64))[0, :, 2:, 2:],
                       x[0, :, :-2, :-2])  # fmt: skip


def test_cutout() -> None:
    x = pictures(3) + 2
    middle, corner = STILL, (*STILL[:5], 0.0, 0.0)
    cut = diff_augment(x, ("cutout",), draws(middle, corner, (*STILL[:5], 0.99, 0.5)))
    holes = cut[:, 0] == 0
    assert holes[0].nonzero().aminmax(dim=0).min.tolist() == [4, 4]
    assert holes[0].nonzero().aminmax(dim=0).max.tolist() == [11, 11]
    assert (int(holes[0].sum()), int(holes[1].sum()), int(holes[2].sum())) == (64, 16, 40)
    assert torch.equal(cut[~holes[:, None].expand_as(cut)], x[~holes[:, None].expand_as(x)])


def test_two_sizes_are_changed_alike() -> None:
    big = torch.ones(1, 3, 32, 32)
    row = torch.tensor([[0.9, 0.2, 0.7, 0.99, 0.01, 0.3, 0.6]])
    large, small = (diff_augment(x, POLICIES, row) == 0 for x in (big, big[..., ::2, ::2]))
    assert 192 < int(small.sum()) < 576
    assert int((large[..., ::2, ::2] != small).sum()) <= 72  # an edge, by rounding


def test_gradients_and_rows() -> None:
    x = pictures(2, 8).requires_grad_()
    random = torch.rand(2, NUMBERS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: diff_augment(x, POLICIES, random), x)
    [gradient] = torch.autograd.grad(diff_augment(x, POLICIES, random)[0].square().sum(), x)
    assert (gradient.abs().sum((1, 2, 3)) > 0).tolist() == [True, False]
    both = diff_augment(x, POLICIES, random)
    assert torch.equal(diff_augment(x[1:], POLICIES, random[1:]), both[1:])
    assert torch.equal(diff_augment(x, POLICIES, random), both)


@pytest.mark.parametrize("part", POLICIES)
def test_every_part_does_something(part: str) -> None:
    x = pictures()
    assert not torch.equal(diff_augment(x, (part,), torch.full((2, NUMBERS), 0.3, dtype=torch.float64)), x)
