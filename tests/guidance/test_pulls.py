"""Pulls: their values, their slopes where they begin, and that pictures do not meet."""

from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.guidance.pulls import KINDS, Pull, distance, needs_origin, pull_loss

ALONG = torch.tensor([[[2.0, 0.0], [0.0, 0.0]]])  # [1, 2, 2]
ACROSS = torch.tensor([[[0.0, 0.0], [3.0, 0.0]]])


@pytest.mark.parametrize(
    ("kind", "value"),
    [("spherical", (math.pi / 2) ** 2 / 2), ("cosine", 1.0), ("l2", (4 + 9) / 4), ("pixels", (2 + 3) / 4)],
)
def test_values(kind: str, value: float) -> None:
    torch.testing.assert_close(distance(kind, ALONG, ACROSS), torch.tensor([value]))
    scaled = distance(kind, 5 * ALONG, ACROSS)
    assert torch.allclose(scaled, torch.tensor([value])) == (kind in ("spherical", "cosine"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_itself_has_no_slope_and_pictures_do_not_meet(kind: str) -> None:
    values = torch.rand(3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    same = values.clone().requires_grad_()
    (slope,) = torch.autograd.grad(distance(kind, same, values).sum(), same)
    assert slope.abs().max() < 1e-12
    goal = values.flip(0) + 0.1
    together = distance(kind, values, goal)
    assert torch.equal(together, torch.cat([distance(kind, values[i : i + 1], goal[i : i + 1]) for i in range(3)]))
    moved = values.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: distance(kind, x, goal), (moved,))


def test_weights_goals_and_decay() -> None:
    images, picture = torch.full((2, 3, 4, 4), 0.25), torch.full((1, 3, 4, 4), 0.75)
    latent, origin = ALONG.expand(2, -1, -1), ACROSS.expand(2, -1, -1)
    goal = torch.zeros(1, 2, 2)
    pulls = [Pull("l2", 2.0), Pull("l2", 3.0, goal), Pull("pixels", 4.0, picture), Pull("l2", 6.0, decays=True)]
    for step in (0, torch.tensor(1)):
        wanted = 2 * 3.25 + 3 * 1.0 + 4 * 0.5 + 6 * 3.25 / (2 * int(step) + 1)
        torch.testing.assert_close(pull_loss(pulls, latent, images, origin, step), torch.full((2,), wanted))
    assert needs_origin(pulls)
    assert not needs_origin(pulls[1:3])


def test_an_unknown_kind() -> None:
    with pytest.raises(UserError, match="unknown kind of pull 'l3'"):
        Pull("l3", 1.0)
