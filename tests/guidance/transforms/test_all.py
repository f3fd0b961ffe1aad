"""What every transform promises, by its example: shapes, gradients, rows apart, one compiled graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws, Transform
from fastclipgen.guidance.transforms.registry import TRANSFORMS
from fastclipgen.recipes.options import REQUIRED

from .stepping import draws, values_at

WIDTH, HEIGHT, FRAMES = 32, 24, 3
every = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())


def pictures(count: int, frames: int = FRAMES) -> Tensor:
    """[count, frames, 3, 24, 32] in 0..1, no two frames alike."""
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, frames, 3, HEIGHT, WIDTH, generator=generator)


def rising(transform: Transform, values: Any, count: int) -> Any:
    """Values of `count` pictures [B] and [B, k], each with its own: less and less of the example's."""

    def of_each(name: str, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        shares = torch.linspace(1, 0.7, count).view(-1, *[1] * (value.ndim - 1))
        whole = transform.options[name].parameter.types[0] is int
        return torch.trunc(value * shares) if whole else value * shares

    return {name: of_each(name, value) for name, value in values.items()}


@every
def test_it_says_what_it_is(transform: Transform) -> None:
    assert TRANSFORMS[transform.name] is transform
    assert transform.help.endswith(".")
    assert all(option.help and not option.help.endswith(".") for option in transform.options.values())
    required = {name for name, option in transform.options.items() if option.default is REQUIRED}
    assert required <= transform.example.keys() <= transform.options.keys()


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype(transform: Transform, dtype: torch.dtype) -> None:
    values = values_at(transform, transform.example)
    for given in (1, FRAMES):
        frames = pictures(2, given).to(dtype)
        before = frames.clone()
        result = transform.apply(frames, values, draws(2, FRAMES))
        assert result.dtype == dtype
        assert result.shape[:3] == (2, FRAMES if transform.random else given, 3)
        assert transform.resizes or result.shape[3:] == frames.shape[3:]
        assert result.isfinite().all()
        assert torch.equal(frames, before)
        assert result.shape != frames.shape or not torch.equal(result, frames)


@every
def test_frames_differ_only_where_it_says_random(transform: Transform) -> None:
    values = values_at(transform, transform.example)
    result = transform.apply(pictures(1, 1).expand(-1, FRAMES, -1, -1, -1), values, draws(1, FRAMES))
    assert (not torch.equal(result[:, 0], result[:, 1])) == transform.random
    again = transform.apply(pictures(1, 1), values, draws(1, FRAMES, step=1))
    assert (not torch.equal(result[:, :1], again[:, :1])) == transform.random


@every
def test_a_picture_alone_is_what_it_is_in_a_batch(transform: Transform) -> None:
    frames, seeds = pictures(3), torch.tensor([5, -1, 1 << 40])
    values = rising(transform, values_at(transform, transform.example), 3)
    together = transform.apply(frames, values, Draws(seeds, 4, FRAMES, place=2))
    for row in range(3):
        own = {name: value[row : row + 1] if isinstance(value, Tensor) else value for name, value in values.items()}
        alone = transform.apply(frames[row : row + 1], own, Draws(seeds[row : row + 1], 4, FRAMES, place=2))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)


@every
def test_gradients_reach_the_frames(transform: Transform) -> None:
    frames = pictures(2).requires_grad_()
    result = transform.apply(frames, values_at(transform, transform.example), draws(2, FRAMES))
    weights = torch.rand(result.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((result * weights).sum(), frames)
    assert gradient.isfinite().all()
    assert (gradient.flatten(2) != 0).any(2).all()


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def as_function(transform: Transform) -> Any:
    """(frames, tensors among the values, the rest, seeds, step) -> the result."""

    def step(frames: Tensor, numbers: dict[str, Tensor], fixed: dict[str, Any], seeds: Tensor, at: Tensor) -> Any:
        return transform.apply(frames, {**numbers, **fixed}, Draws(seeds, at, FRAMES, place=3))

    return step


@every
def test_it_is_one_graph_for_all_numbers(transform: Transform, fresh_compiler: None) -> None:
    plain = as_function(transform)
    compiled = torch.compile(plain, fullgraph=True, backend="aot_eager")
    seeds, frames = torch.tensor([1, 2]), pictures(2).requires_grad_()
    for epoch in range(3):
        values = values_at(transform, transform.example, epoch)
        numbers = {k: v * (1 - epoch / 8) for k, v in values.items() if isinstance(v, Tensor)}
        fixed = {k: v for k, v in values.items() if not isinstance(v, Tensor)}
        with torch._dynamo.config.patch(error_on_recompile=epoch > 0):
            result = compiled(frames, numbers, fixed, seeds, torch.tensor(epoch))
        expected = plain(frames, numbers, fixed, seeds, torch.tensor(epoch))
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
        gradients = [torch.autograd.grad(each.square().sum(), frames)[0] for each in (result, expected)]
        torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@every
def test_nothing_waits_for_the_host(transform: Transform) -> None:
    values = values_at(transform, transform.example)
    values = {name: value.cuda() if isinstance(value, Tensor) else value for name, value in values.items()}
    frames, seeds, step = pictures(2).cuda().requires_grad_(), torch.tensor([1, 2]).cuda(), torch.tensor(3).cuda()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = transform.apply(frames, values, Draws(seeds, step, FRAMES, place=3))
        torch.autograd.grad(result.square().sum(), frames)
    finally:
        torch.cuda.set_sync_debug_mode(before)
