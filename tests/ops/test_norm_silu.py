"""GroupNorm and SiLU in one: values and gradients of every backend against float64, and what backward keeps.

tests/kernels/test_norm_silu.py runs this file once more with Triton's interpreter, which adds a backend.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fastclipgen.errors import UserError
from fastclipgen.ops import library, norm_silu_kernels
from fastclipgen.ops.norm_silu import norm_silu, reference

BACKENDS: list[Any] = [
    ("reference", "cpu"),
    pytest.param("triton", "cuda", marks=pytest.mark.gpu),
    pytest.param("reference", "cuda", marks=pytest.mark.gpu),
]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if INTERPRETED:
    BACKENDS.append(("triton", "cpu"))
every_backend = pytest.mark.parametrize(("backend", "device"), BACKENDS)
OURS: list[Any] = [pytest.param("triton", "cuda", marks=pytest.mark.gpu), *([("triton", "cpu")] if INTERPRETED else [])]


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the interpreter "triton" runs on the CPU too."""
    if INTERPRETED:
        choose = library.choose
        monkeypatch.setattr(
            library, "choose", lambda op, device, asked="auto": asked if asked != "auto" else choose(op, device)
        )


@dataclass(frozen=True)
class Case:
    batch: int
    channels: int
    groups: int
    height: int
    width: int
    dtype: torch.dtype = torch.float32
    mean: float = 0.0
    channels_last: bool = True

    def __str__(self) -> str:
        sizes = f"{self.batch}x{self.channels}x{self.height}x{self.width}"
        return f"{sizes}-{self.groups}-{str(self.dtype)[6:]}-{self.mean:g}-{'last' if self.channels_last else 'plain'}"


CASES = [
    Case(2, 32, 8, 9, 7),
    Case(1, 128, 32, 24, 20),  # several parts
    Case(3, 24, 8, 5, 5),  # no power of two
    Case(1, 8, 4, 1, 1),
    Case(1, 32, 1, 40, 33),
    Case(2, 512, 32, 6, 6, torch.bfloat16),
    Case(1, 64, 32, 17, 31, torch.float16),
    Case(2, 48, 16, 8, 8, channels_last=False),
]
FAR = Case(1, 32, 32, 40, 40, mean=1000.0)  # where torch's own norm loses its digits
# of the largest value: rounding to the dtype, twice for gradients of gradients' size
NEAR = {torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}


def material(case: Case, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    shape = case.batch, case.channels, case.height, case.width
    x = torch.randn(shape, generator=draw) * (1 + torch.rand(1, case.channels, 1, 1, generator=draw)) + case.mean
    weight, bias = 1 + 0.5 * torch.randn(2, case.channels, generator=draw)
    grad = torch.randn(shape, generator=draw)
    form = torch.channels_last if case.channels_last else torch.contiguous_format
    made = [tensor.to(device, case.dtype).contiguous(memory_format=form) for tensor in (x, grad)]
    return made[0], weight.to(device), bias.to(device), made[1]


def with_gradient(x: Tensor, grad: Tensor, work: Any) -> tuple[Tensor, Tensor]:
    leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    out = work(leaf)
    return out.detach(), torch.autograd.grad(out, leaf, grad)[0]


@every_backend
@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient(case: Case, backend: str, device: str) -> None:
    check_value_and_gradient(case, backend, device)


@pytest.mark.parametrize(("backend", "device"), OURS)
def test_a_mean_far_from_0(backend: str, device: str) -> None:
    check_value_and_gradient(FAR, backend, device)


def check_value_and_gradient(case: Case, backend: str, device: str) -> None:
    x, weight, bias, grad = material(case, device)
    eps, near = 1e-6, NEAR[case.dtype] * (50 if case.mean else 1)  # the input is rounded already
    wide = with_gradient(
        x.double(), grad.double(), lambda v: reference(v, weight.double(), bias.double(), case.groups, eps)
    )
    found = with_gradient(x, grad, lambda v: norm_silu(v, weight, bias, case.groups, eps, backend=backend))
    for mine, true in zip(found, wide, strict=True):
        assert mine.dtype == case.dtype
        assert (mine.double() - true).abs().max() <= near * true.abs().max().clamp(min=1.0)
    with torch.no_grad():
        alone = norm_silu(x, weight, bias, case.groups, eps, backend=backend)
    assert (alone.double() - wide[0]).abs().max() <= near * wide[0].abs().max().clamp(min=1.0)


@every_backend
def test_rows_are_independent_and_nothing_depends_on_old_memory(backend: str, device: str) -> None:
    x, weight, bias, grad = material(CASES[1], device)
    pair, grads = torch.cat([x, 100 * x.flip(2)]), torch.cat([grad, grad])
    alone = with_gradient(x, grad, lambda v: norm_silu(v, weight, bias, 32, 1e-6, backend=backend))
    both = with_gradient(pair, grads, lambda v: norm_silu(v, weight, bias, 32, 1e-6, backend=backend))
    for one, two in zip(alone, both, strict=True):
        torch.testing.assert_close(one[0], two[0], atol=1e-5, rtol=1e-5)


@every_backend
def test_backward_keeps_the_map_that_came_in_and_nothing_else_of_its_size(backend: str, device: str) -> None:
    x, weight, bias, _ = material(CASES[1], device)
    x = x.requires_grad_()
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        norm_silu(x, weight, bias, 32, 1e-6, backend=backend)
    assert [t.data_ptr() for t in kept if t.numel() >= x.numel()] == [x.data_ptr()]


@every_backend
def test_weights_that_learn_get_their_gradients(backend: str, device: str) -> None:
    x, weight, bias, grad = material(CASES[0], device)
    leaves = [weight.requires_grad_(), bias.requires_grad_()]
    found = torch.autograd.grad(norm_silu(x, weight, bias, 8, 1e-6, backend=backend), leaves, grad)
    wanted = torch.autograd.grad(reference(x, weight, bias, 8, 1e-6), leaves, grad)
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, two)


def test_the_plain_version_is_group_norm_and_silu() -> None:
    x, weight, bias, _ = material(CASES[0], "cpu")
    grouped = x.unflatten(1, (8, -1)).double()
    var, mean = torch.var_mean(grouped, (2, 3, 4), correction=0, keepdim=True)
    level = ((grouped - mean) / (var + 0.1).sqrt()).flatten(1, 2) * weight[:, None, None] + bias[:, None, None]
    torch.testing.assert_close(reference(x, weight, bias, 8, 0.1), (level * level.sigmoid()).float())


def test_gradcheck_of_the_plain_version() -> None:
    x = torch.randn(1, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    weight, bias = torch.randn(2, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: norm_silu(v, weight, bias, 2, 1e-3), x)
    assert torch.autograd.gradgradcheck(lambda v: norm_silu(v, weight, bias, 2, 1e-3), x)


@every_backend
def test_second_derivatives_are_refused(backend: str, device: str) -> None:
    x, weight, bias, _ = material(CASES[0], device)
    out = norm_silu(x.requires_grad_(), weight, bias, 8, 1e-6, backend=backend)
    with pytest.raises(UserError, match="no second derivative"):
        torch.autograd.grad(out.sum(), x, create_graph=True)


def test_mistakes_are_one_sentence() -> None:
    x = torch.zeros(1, 6, 2, 2)
    for weight, groups in ((torch.ones(6), 4), (torch.ones(5), 3), (torch.ones(6), 0)):
        with pytest.raises(UserError, match="groups that divide C, got"):
            norm_silu(x, weight, weight, groups, 1e-6)
    if not INTERPRETED:
        with pytest.raises(UserError, match="backend"):
            norm_silu(x, torch.ones(6), torch.ones(6), 3, 1e-6, backend="triton")


@every_backend
def test_empty_maps(backend: str, device: str) -> None:
    x = torch.zeros(0, 8, 2, 2, device=device)
    assert (
        norm_silu(x, torch.ones(8, device=device), torch.ones(8, device=device), 2, 1e-6, backend=backend).shape
        == x.shape
    )


def test_shapes_of_the_compiled_ops_without_a_device() -> None:
    with FakeTensorMode():
        x = torch.empty(2, 8, 4, 6, dtype=torch.bfloat16)
        out, mean, rstd = torch.ops.fastclipgen.norm_silu(x, torch.ones(8), torch.ones(8), 4, 1e-6)
        assert (out.shape, out.dtype, out.stride()) == (x.shape, x.dtype, (192, 1, 48, 8))
        assert (mean.shape, rstd.shape, mean.dtype) == ((2, 4), (2, 4), torch.float32)
        grad = torch.ops.fastclipgen.norm_silu_backward(out, x, torch.ones(8), torch.ones(8), mean, rstd)
        assert (grad.shape, grad.stride()) == (out.shape, out.stride())


@pytest.mark.parametrize(("backend", "device"), OURS)
def test_the_compiled_ops(backend: str, device: str) -> None:
    _check_ops(device)


def _check_ops(device: str) -> None:
    """Registered as torch wants it, and the same inside a compiled function with its gradient."""
    x, weight, bias, grad = material(CASES[0], device)
    sample = (x.requires_grad_(), weight, bias, 8, 1e-6)
    torch.library.opcheck(torch.ops.fastclipgen.norm_silu.default, sample)
    torch._dynamo.reset()
    work = torch.compile(lambda v: norm_silu_kernels.norm_silu(v, weight, bias, 8, 1e-6, "triton"), fullgraph=True)
    wanted = with_gradient(x, grad, lambda v: norm_silu(v, weight, bias, 8, 1e-6, backend="triton"))
    for one, two in zip(with_gradient(x, grad, work), wanted, strict=True):
        torch.testing.assert_close(one, two)


def test_the_plain_version_in_a_compiled_function_is_not_the_lean_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> Tensor:
        raise AssertionError

    monkeypatch.setattr(norm_silu_kernels, "lean", never)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    x, weight, bias, _ = material(CASES[0], "cpu")
    assert torch.equal(
        norm_silu(x.requires_grad_(), weight, bias, 8, 1e-6, backend="reference"),
        F.silu(F.group_norm(x, 8, weight, bias, 1e-6)),
    )
