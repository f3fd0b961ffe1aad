"""A digest of a model's weights."""

from __future__ import annotations

import torch
from torch import nn

from fastclipgen.models.fingerprint import fingerprint


def test_a_fingerprint_knows_weights_and_not_where_they_lie() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    first = fingerprint(model)
    assert fingerprint(model.to(memory_format=torch.channels_last)) == first  # pyright: ignore[reportCallIssue]
    with torch.no_grad():
        model[0].bias[1] += 1e-7  # pyright: ignore
    assert fingerprint(model) != first
