"""What games share: the gradient penalty against values by hand, and losses that leave the other network alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.training.adversarial import frozen, gradient_penalty

POINTS = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)


def test_the_penalty_of_a_plane_is_that_of_its_slope() -> None:
    slope = torch.tensor([0.6, 0.8], dtype=torch.float64)
    assert float(gradient_penalty(lambda x: x @ slope, POINTS)) == pytest.approx(0, abs=1e-15)
    assert float(gradient_penalty(lambda x: x @ (3 * slope), POINTS)) == pytest.approx(4)
    assert float(gradient_penalty(lambda x: x @ (0.25 * slope), POINTS)) == pytest.approx(0.5625)


def test_the_penalty_of_a_bowl_and_its_gradient() -> None:
    """f(x) = a |x|^2 / 2 has the slope a |x|: the penalty is the mean of (a r - 1)^2 over r = 5, 2, and its gradient by
    a that of 2 (a r - 1) r."""
    a = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda x: a * x.square().sum(1) / 2, POINTS[:2])
    penalty.backward()
    assert float(penalty.detach()) == pytest.approx(((0.5 * 5 - 1) ** 2 + (0.5 * 2 - 1) ** 2) / 2)
    assert a.grad is not None
    assert float(a.grad) == pytest.approx((2 * 1.5 * 5 + 2 * 0.0 * 2) / 2)


def test_the_penalty_of_a_network_has_its_second_derivatives() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    weight = network[0].weight

    def penalty(values: Tensor) -> Tensor:
        state = {name: value.detach() for name, value in network.named_parameters()} | {"0.weight": values}
        return gradient_penalty(lambda x: torch.func.functional_call(network, state, x).flatten(), POINTS)

    assert isinstance(weight, Tensor)
    assert torch.autograd.gradcheck(penalty, (weight.detach().clone().requires_grad_(),))


def test_points_of_pictures_are_whole() -> None:
    """The norm is over all values of a point, not over one of its dimensions."""
    pictures = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
    assert float(gradient_penalty(lambda x: x.flatten(1).sum(1), pictures)) == pytest.approx((48**0.5 - 1) ** 2)


def test_frozen_parameters_get_no_gradient_but_pass_one_on() -> None:
    network = nn.Linear(2, 1)
    network.bias.requires_grad_(False)
    points = torch.ones(1, 2, requires_grad=True)
    with frozen(network):
        network(points).sum().backward()
    assert network.weight.grad is None
    assert points.grad is not None
    assert (network.weight.requires_grad, network.bias.requires_grad) == (True, False)
