"""A tiny transformer whose weights all matter."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.models.transformer import Geometry, Transformer

TINY = Geometry(layers=2, width=32, heads=2, vocabulary=50, block=70, condition=6)


@pytest.fixture
def model() -> Transformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Transformer(TINY, null_condition=torch.randn(TINY.condition))
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()
