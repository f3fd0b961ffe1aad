"""Blur, edge and border on a few pixels; what a Gaussian blur is, is tested with it (tests/guidance/test_filtering)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastclipgen.guidance.transforms.registry import TRANSFORMS

from .stepping import draws, values_at

MIDDLE, BESIDE = 0.45186, 0.27407  # a window of three with a deviation of 1: 1 and exp(-1/2), divided by their sum


def changed(name: str, frames: Tensor, compat: bool = False, **given: Any) -> Tensor:
    values = values_at(TRANSFORMS[name], given) | {"compat": compat}
    return TRANSFORMS[name].apply(frames, values, draws())


def spot(height: int = 1, width: int = 5) -> Tensor:
    """A white pixel in the middle of black ones: [1, 1, 3, H, W]."""
    frames = torch.zeros(1, 1, 3, height, width)
    frames[..., height // 2, width // 2] = 1
    return frames


def expect(result: Tensor, *rows: list[float]) -> None:
    torch.testing.assert_close(result[0, 0], torch.tensor(rows).unsqueeze(1), rtol=0, atol=2e-5)


def test_blur() -> None:
    line = [0, BESIDE, MIDDLE, BESIDE, 0]
    expect(changed("blur", spot(), kernel_size=[3, 1], sigma=1), line, line, line)
    expect(changed("blur", spot(5, 1).mT, kernel_size=3, sigma=1), line, line, line)
    blurred = changed("blur", spot(5, 5), kernel_size="1 + 2", sigma=[1, 0.01])  # wide, not high
    torch.testing.assert_close(blurred[0, 0, 0, 2], torch.tensor(line), rtol=0, atol=2e-5)
    assert blurred[..., [0, 1, 3, 4], :].abs().max() == 0


def test_without_a_deviation_it_follows_from_the_window() -> None:
    frames = torch.rand(1, 1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    given = changed("blur", frames, kernel_size=[3, 7], sigma=[0.8, 1.4])
    torch.testing.assert_close(changed("blur", frames, kernel_size=[3, 7]), given, rtol=0, atol=1e-6)
    torch.testing.assert_close(changed("blur", frames), changed("blur", frames, sigma=0.8), rtol=0, atol=1e-6)


def test_edge() -> None:
    one = [0, BESIDE, 1 - MIDDLE, BESIDE, 0]
    by_channel = ([scale * value for value in one] for scale in (1, 2, -0.5))
    expect(changed("edge", spot(), kernel_size=3, sigma=1, amount=[1, 2, -0.5]), *by_channel)


def test_edge_of_clipig_sees_light_on_dark_only() -> None:
    half = [0, 0, (1 - MIDDLE) / 2, 0, 0]
    dark = [0, BESIDE / 2, 0, BESIDE / 2, 0]  # times -1/2: what was dark on light
    result = changed("edge", spot(), compat=True, kernel_size=3, sigma=1, amount=[0.5, 10, -0.5])
    expect(result, half, [0, 0, 1, 0, 0], dark)


def test_border() -> None:
    frames = torch.full((1, 1, 3, 4, 5), 0.5, requires_grad=True)
    result = changed("border", frames, size=[2, 1], color=[1, 0, 0.25])
    assert result[0, 0, 0].tolist() == [[1] * 5, [1, 1, 0.5, 1, 1], [1, 1, 0.5, 1, 1], [1] * 5]
    assert result[0, 0, 2].tolist() == [[0.25] * 5, *[[0.25, 0.25, 0.5, 0.25, 0.25]] * 2, [0.25] * 5]
    (gradient,) = torch.autograd.grad(result.sum(), frames)
    assert gradient[0, 0, 1].tolist() == [[0] * 5, [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0] * 5]
    black = changed("border", torch.ones(1, 1, 3, 3, 3))
    assert black[0, 0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
