"""Running statistics of batch norms made anew, for averaged weights, which have none of their own.

torch.optim.swa_utils.update_bn does it for networks of one input; these take a latent and something beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def norms_of(model: nn.Module) -> list[nn.BatchNorm2d]:
    """The batch norms of a model."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Iterable[tuple[Any, ...]]) -> None:
    """Running statistics as means over what `model(*batch)` sees in each batch. Its mode, and how its norms learn, are
    left as they were. Raises ValueError where there is no batch."""
    training, norms = model.training, norms_of(model)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
    model.train()
    count = 0
    for batch in batches:
        model(*batch)
        count += 1
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)
    if not count:
        raise ValueError("expected one batch or more, got none")
