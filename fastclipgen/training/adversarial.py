"""What games of two networks share: losses of one that leave the other alone, and a critic's gradient penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """What is computed within it gives the module's parameters no gradient."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def gradient_penalty(critic: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """How far the critic's slope at each of the points [B, ...] is from 1: mean of (|gradient| - 1)^2, 0-d.

    critic: points -> scores [B], each of its own point alone. The result has gradients for the critic's parameters, by
    second derivatives. Gulrajani et al., "Improved Training of Wasserstein GANs", arXiv 1704.00028, section 4.
    """
    points = points.detach().requires_grad_()
    (gradients,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return (gradients.flatten(1).norm(dim=1) - 1).square().mean()
