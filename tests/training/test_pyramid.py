"""A VQGAN begins as averages, repeated; and can learn from there."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from fastclipgen.models.vqgan import VQGAN, Geometry
from fastclipgen.training.pyramid import begin_as_pyramid


def begun(geometry: Geometry, pyramid: bool = True) -> VQGAN:
    torch.manual_seed(0)
    model = VQGAN(geometry)
    if pyramid:
        begin_as_pyramid(model)
    return model


def test_it_passes_averages_on() -> None:
    """Up to what random features leave: without it the error is that of a grey picture."""
    geometry = Geometry(24, (1, 2, 2), (1,), 1, 16, 8, 16)
    coarse = 2 * torch.rand(4, 3, 4, 5, generator=torch.Generator().manual_seed(1)) - 1
    images = F.interpolate(coarse, scale_factor=8.0)
    averages = F.interpolate(F.avg_pool2d(images, 4), scale_factor=4.0)
    with torch.no_grad():
        ours, random = (model.decode(model.encode(images)) for model in (begun(geometry), begun(geometry, False)))
    grey = averages.abs().mean()
    assert float((ours - averages).abs().mean()) < 0.35 * float(grey)
    assert float((random - averages).abs().mean()) > 0.9 * float(grey)


def test_every_weight_can_learn() -> None:
    model = begun(Geometry(24, (1, 2), (), 1, 16, 8, 16))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images = 2 * torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) - 1
    for _ in range(2):  # branches that add nothing hide what is before their last layer from the first step
        optimizer.zero_grad()
        (model.decode(model.encode(images)) - images).square().mean().backward()
        optimizer.step()
    unmoved = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert unmoved == ["quantize.embedding.weight"]
