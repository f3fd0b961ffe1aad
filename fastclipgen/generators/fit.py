"""Finding parameters that draw given pictures, for generators without an inverse. Knows nothing of the generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastclipgen.generators.base import Params


def fit(forward: Callable[[Params], Tensor], start: Params, images: Tensor, steps: int, lr: float) -> Params:
    """`steps` steps of Adam from `start` on the squared error to `images` [B, 3, H, W]; lr falls to 0 as a cosine.

    Pictures do not influence each other: the loss is a sum over them, and Adam works on each number alone. Also works
    inside torch.no_grad() and torch.inference_mode(). The result needs no gradient.
    """
    with torch.inference_mode(False), torch.enable_grad():
        params = {key: value.detach().clone().requires_grad_() for key, value in start.items()}
        optimizer = torch.optim.Adam(list(params.values()), lr=lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        for _ in range(steps):
            optimizer.zero_grad()
            (forward(params) - images).square().mean((1, 2, 3)).sum().backward()
            optimizer.step()
            schedule.step()
    return {key: value.detach() for key, value in params.items()}
