"""What every constraint promises, by its example: slopes, frames apart, one compiled graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from fastclipgen.guidance.frame_constraints.base import FrameConstraint, Manner
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.base import Draws
from fastclipgen.ops import library
from fastclipgen.recipes.options import REQUIRED
from fastclipgen.recipes.values import read

from ...watch import Watch
from .stepping import COMMON, draws, values_at

SIDE, FRAMES = 12, 3
MANNERS = [Manner("l1"), Manner("l2", hinge=False, pooled=True)]
every = pytest.mark.parametrize("constraint", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
any_manner = pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.loss)


def pictures(count: int, frames: int = FRAMES, dtype: torch.dtype = torch.float32) -> Tensor:
    """[count, frames, 3, 12, 12] in 0..1, no two frames alike."""
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, frames, 3, SIDE, SIDE, generator=generator, dtype=dtype)


def sided(constraint: FrameConstraint) -> dict[str, Any]:
    """The example, with thresholds on both sides of what any picture has, where there are some."""
    if "above" not in constraint.options:
        return constraint.example
    return {**constraint.example, "above": [0.9, 0.8, 0.7], "below": [0.001, 0.002, 0.003]}


def own_of_each(constraint: FrameConstraint, count: int) -> dict[str, Any]:
    """Values [count, FRAMES, ...] with another number for each frame."""
    shares = torch.linspace(1, 0.7, count * FRAMES).view(count, FRAMES, 1)

    def of_each(name: str, value: Tensor | None) -> Tensor | None:
        if value is None or constraint.options[name].table:
            return value
        whole = constraint.options[name].parameter.types[0] is int
        return torch.trunc(value * shares) if whole else value * shares

    return {name: of_each(name, value) for name, value in values_at(constraint, sided(constraint)).items()}


@every
def test_it_says_what_it_is(constraint: FrameConstraint) -> None:
    assert CONSTRAINTS[constraint.name] is constraint
    assert constraint.help.endswith(".")
    assert all(option.help and not option.help.endswith(".") for option in constraint.options.values())
    required = {name for name, option in constraint.options.items() if option.default is REQUIRED}
    assert required <= constraint.example.keys() <= constraint.options.keys() | COMMON
    assert not constraint.options.keys() & COMMON
    assert constraint.check(constraint.example.keys()) is None


@every
def test_its_numbers_may_depend_on_a_similarity(constraint: FrameConstraint) -> None:
    for name, option in constraint.options.items():
        if not option.table:
            assert read(option.parameter, "sim / 100", name).live


@every
def test_thresholds_need_a_side(constraint: FrameConstraint) -> None:
    thresholds = "above" in constraint.options
    assert ("add one" in (constraint.check({"weight", "kernel_size"}) or "")) == thresholds
    assert constraint.check({"above"}) is None
    assert constraint.check({"below"}) is None


@every
@any_manner
def test_a_frame_alone_is_what_it_is_in_a_batch(constraint: FrameConstraint, manner: Manner) -> None:
    frames, values, seeds = pictures(2), own_of_each(constraint, 2), torch.tensor([5, 1 << 40])
    together = constraint.value(frames, values, manner, Draws(seeds, 4, FRAMES, place=2))
    assert together.shape == (2, FRAMES)
    assert together.unique().numel() == 2 * FRAMES
    for row in range(2):
        own = {
            name: value[row : row + 1] if value is not None and not constraint.options[name].table else value
            for name, value in values.items()
        }
        alone = constraint.value(frames[row : row + 1], own, manner, Draws(seeds[row : row + 1], 4, FRAMES, place=2))
        torch.testing.assert_close(alone, together[row : row + 1], rtol=1e-5, atol=1e-6)


@every
@any_manner
def test_slopes_are_right(constraint: FrameConstraint, manner: Manner) -> None:
    frames, values, at = pictures(1, 2, torch.float64), values_at(constraint, sided(constraint)), draws(1, 2)
    frames.requires_grad_()
    if constraint.name == "noise":  # pulls to what stays put, which a difference of values does not tell
        noise = at.normal(3, SIDE, SIDE) * values["std"][..., None, None]
        (slope,) = torch.autograd.grad(constraint.value(frames, values, manner, at).sum(), frames)
        expected = -noise.sign() if manner.loss == "l1" else -2 * noise
        torch.testing.assert_close(slope, (100 * expected / (3 * SIDE * SIDE)).double(), rtol=1e-4, atol=1e-6)
        return
    assert torch.autograd.gradcheck(lambda x: constraint.value(x, values, manner, at), (frames,), fast_mode=True)
    one_sided = {name: None if name == "below" else value for name, value in values.items()}  # l1's would cancel
    assert bool(torch.autograd.grad(constraint.value(frames, one_sided, manner, at).sum(), frames)[0].any())


@every
@any_manner
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slopes_of_plain_frames_are_finite(constraint: FrameConstraint, manner: Manner, dtype: torch.dtype) -> None:
    plain = torch.tensor([0.0, 0.1, 1.0], dtype=dtype)[:, None, None].expand(1, 2, 3, SIDE, SIDE)
    nearly = plain + torch.rand(plain.shape, generator=torch.Generator().manual_seed(0), dtype=dtype) * 1e-7
    for frames in (plain.clone(), torch.zeros_like(plain), torch.ones_like(plain), nearly):
        frames.requires_grad_()
        loss = constraint.value(frames, values_at(constraint, sided(constraint)), manner, draws(1, 2))
        (slope,) = torch.autograd.grad(loss.sum(), frames)
        assert bool(loss.isfinite().all())
        assert loss.dtype == dtype
        assert float(slope.abs().max()) < 1000


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@every
def test_it_is_one_graph_for_all_numbers(constraint: FrameConstraint, fresh_compiler: None) -> None:
    def plain(frames: Tensor, values: dict[str, Any], seeds: Tensor, step: Tensor) -> Tensor:
        return constraint.value(frames, values, Manner(), Draws(seeds, step, FRAMES, place=3))

    compiled = torch.compile(plain, fullgraph=True, backend="aot_eager")
    frames, seeds, own = pictures(2).requires_grad_(), torch.tensor([1, 2]), own_of_each(constraint, 2)
    for step in range(3):
        values = {name: None if value is None else value * (1 - step / 8) for name, value in own.items()}
        given = frames, values, seeds, torch.tensor(step)
        with torch._dynamo.config.patch(error_on_recompile=step > 0):
            found = compiled(*given)
        expected = plain(*given)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        slopes = [torch.autograd.grad(each.sum(), frames)[0] for each in (found, expected)]
        torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-6)


@every
def test_it_waits_for_nothing(constraint: FrameConstraint) -> None:
    frames, values, at = pictures(2), own_of_each(constraint, 2), draws(2, FRAMES, torch.tensor(3))
    frames.requires_grad_()
    with library.using("reference", "cpu"), Watch() as watch:
        torch.autograd.grad(constraint.value(frames, values, Manner(), at).sum(), frames)
    assert watch.seen > 5
    assert watch.waits == []


@pytest.mark.gpu
@every
def test_nothing_waits_on_a_gpu(constraint: FrameConstraint) -> None:
    values = {k: None if v is None else v.cuda() for k, v in own_of_each(constraint, 2).items()}
    frames, seeds, step = pictures(2).cuda().requires_grad_(), torch.tensor([1, 2]).cuda(), torch.tensor(3).cuda()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss = constraint.value(frames, values, Manner(), Draws(seeds, step, FRAMES, place=3))
        torch.autograd.grad(loss.sum(), frames)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    here = constraint.value(
        frames.detach().cpu(),
        own_of_each(constraint, 2),
        Manner(),
        Draws(seeds.cpu(), step.cpu(), FRAMES, place=3),
    )
    torch.testing.assert_close(loss.detach().cpu(), here, rtol=1e-4, atol=1e-5)
