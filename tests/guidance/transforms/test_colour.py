"""Colour transforms on pixels worked out by hand, and against torchvision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as torchvision

from fastclipgen.guidance.transforms.registry import TRANSFORMS

from .stepping import draws, values_at


def pixels(*colours: tuple[float, float, float]) -> Tensor:
    """One frame [1, 1, 3, 1, W]."""
    return torch.tensor(colours, dtype=torch.float32).T[None, None, :, None]


def grey(level: float) -> tuple[float, float, float]:
    return level, level, level


def changed(name: str, frames: Tensor, compat: bool = False, **given: Any) -> Tensor:
    values = values_at(TRANSFORMS[name], given) | {"compat": compat}
    return TRANSFORMS[name].apply(frames, values, draws(len(frames), frames.shape[1]))


def expect(result: Tensor, *colours: tuple[float, float, float]) -> None:
    torch.testing.assert_close(result, pixels(*colours), rtol=0, atol=1e-6)


def test_add() -> None:
    expect(changed("add", pixels((0.5, 0.5, 0.5), (0, 1, 0)), color=[0.1, 0.2, -1]), (0.6, 0.7, -0.5), (0.1, 1.2, -1))


def test_mul() -> None:
    expect(changed("mul", pixels((0.5, 0.5, 0.5)), color=[2, 0, -1]), (1, 0, -0.5))
    expect(changed("mul", pixels((0.5, 1, 0)), color="1./5."), (0.1, 0.2, 0))


def test_mean_of_each_channel_of_each_frame() -> None:
    frames = torch.cat((pixels((0.2, 0, 1), (0.4, 0, 0)), pixels((1, 1, 1), (0, 0, 0))), 1)
    result = changed("mean", frames, mean=[0.5, 0.1, 0.5])
    expect(result[:, :1], (0.4, 0.1, 1), (0.6, 0.1, 0))
    expect(result[:, 1:], (1, 0.6, 1), (0, -0.4, 0))


def test_clamp() -> None:
    frames = pixels((-1, 0.25, 2), (0.5, 0.75, 0.8)).requires_grad_()
    result = changed("clamp", frames, range=[0.25, 0.75])
    expect(result, (0.25, 0.25, 0.75), (0.5, 0.75, 0.75))
    result.sum().backward()
    assert frames.grad is not None
    assert torch.equal(frames.grad, pixels((0, 1, 0), (1, 1, 0)))  # the limits themselves can still move


def test_quantize() -> None:
    frames = pixels((0.3, 0.99, -0.1), (0.7, 0.5, 0.123)).requires_grad_()
    result = changed("quantize", frames, step=[0.25, 0.5, 0])
    expect(result, (0.25, 0.5, -0.1), (0.5, 0.5, 0.123))
    result.sum().backward()
    assert frames.grad is not None
    assert torch.equal(frames.grad, torch.ones_like(frames))
    assert torch.equal(result[:, :, 2], frames[:, :, 2])  # a step of 0


def test_quantize_of_clipig_has_no_gradient() -> None:
    frames = pixels((0.3, 0.99, -0.1)).requires_grad_()
    result = changed("quantize", frames, compat=True, step=0.25)
    expect(result, (0.25, 0.75, -0.25))
    (gradient,) = torch.autograd.grad(result.sum(), frames)
    assert torch.equal(gradient, torch.zeros_like(frames))


def test_saturation() -> None:
    orange = pixels((1, 0.5, 0))  # its grey is .2989 + .587 / 2 = .5924
    expect(changed("saturation", orange, factor=0), (0.5924, 0.5924, 0.5924))
    expect(changed("saturation", orange, factor=0.5), (0.7962, 0.5462, 0.2962))
    expect(changed("saturation", orange, factor=2), (1, 0.4076, 0))
    assert torch.equal(changed("saturation", orange), orange)


def test_contrast() -> None:
    both = pixels((1, 1, 1), (0, 0, 0))  # greys .9999 and 0
    expect(changed("contrast", both, factor=0), grey(0.49995), grey(0.49995))
    expect(changed("contrast", both, factor=0.5), grey(0.749975), grey(0.249975))
    expect(changed("contrast", both, factor=3), (1, 1, 1), (0, 0, 0))
    assert torch.equal(changed("contrast", both), both)


@pytest.mark.parametrize("factor", [0, 0.3, 1, 1.7])
def test_blends_are_torchvisions(factor: float) -> None:
    frames = torch.rand(2, 3, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    for name, of_torchvision in (
        ("saturation", torchvision.adjust_saturation),
        ("contrast", torchvision.adjust_contrast),
    ):
        result = changed(name, frames, factor=factor)
        torch.testing.assert_close(result, of_torchvision(frames, factor), rtol=0, atol=1e-6)
