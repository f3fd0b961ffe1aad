from __future__ import annotations

import torch

from fastclipgen.generators.clamp import clamp_with_grad


def test_gradient_is_blocked_only_on_the_way_out() -> None:
    x = torch.tensor([-0.5, -0.5, 0.3, 0.3, 1.5, 1.5], requires_grad=True)
    wanted = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    y = clamp_with_grad(x)
    assert torch.equal(y, x.detach().clamp(0, 1))
    (grad,) = torch.autograd.grad((y * wanted).sum(), x)
    # Descent moves against the gradient: below the range +1 would push further down, above it -1 further up.
    assert grad.tolist() == [0.0, -1.0, 1.0, -1.0, 1.0, 0.0]


def test_a_value_outside_comes_back() -> None:
    x = torch.tensor([1.4])
    for _ in range(10):
        x.requires_grad_()
        (grad,) = torch.autograd.grad(clamp_with_grad(x).square().sum(), x)
        x = (x - 0.2 * grad).detach()
    assert x < 0.2


def test_works_under_vmap() -> None:
    x = torch.tensor([[-1.0, 0.5], [2.0, 0.1]])
    grads = torch.func.vmap(torch.func.grad(lambda v: clamp_with_grad(v).sum()))(x)
    assert grads.tolist() == [[0.0, 1.0], [1.0, 1.0]]
