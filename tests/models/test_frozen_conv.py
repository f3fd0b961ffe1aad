"""A frozen convolution gives torch's result and gradient, and keeps nothing of its input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.models.frozen_conv import Conv


def convolution(**more: Any) -> Conv:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Conv(6, 8, 3, **more).requires_grad_(False)


@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last], ids=["plain", "last"])
@pytest.mark.parametrize("more", [{"padding": 1}, {"stride": 2}, {"padding": 2, "dilation": 2, "groups": 2}], ids=str)
def test_same_result_and_gradient(more: dict[str, int], form: torch.memory_format) -> None:
    conv = convolution(**more).to(memory_format=form)  # pyright: ignore[reportCallIssue]
    x = torch.randn(2, 6, 9, 11, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=form)
    x.requires_grad_()
    found, wanted = conv(x), nn.Conv2d.forward(conv, x)
    grad = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    assert torch.equal(found, wanted)
    [mine], [theirs] = (torch.autograd.grad(out, x, grad) for out in (found, wanted))
    torch.testing.assert_close(mine, theirs)


def kept(conv: nn.Module, x: Tensor) -> set[int]:
    found: set[int] = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: found.add(t.data_ptr()) or t, lambda t: t):
        conv(x)
    return found


def test_only_learning_weights_keep_the_input() -> None:
    conv, x = convolution(padding=1), torch.randn(1, 6, 4, 4, requires_grad=True)
    assert kept(conv, x) == {conv.weight.data_ptr()}
    assert x.data_ptr() in kept(conv.requires_grad_(True), x)


def test_second_derivatives_go_through() -> None:
    conv = convolution(padding=1).double()
    x = torch.randn(1, 6, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda v: conv(v.sin()).square(), x)
