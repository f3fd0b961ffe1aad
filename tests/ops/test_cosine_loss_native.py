"""Every backend of the prompt loss on one list of cases, against the plain version in float64 and in the same dtype.

tests/kernels/test_cosine_loss.py runs this file once more with Triton's interpreter, which adds a backend.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fastclipgen.errors import UserError
from fastclipgen.ops import cosine_loss as public
from fastclipgen.ops import cosine_loss_kernels as kernels
from fastclipgen.ops import library

OP = "cosine_loss"
INF = math.inf
KERNELS = [
    pytest.param("cuda", "cuda", marks=pytest.mark.gpu),
    pytest.param("triton", "cuda", marks=pytest.mark.gpu),
]
if os.environ.get("TRITON_INTERPRET") == "1":
    KERNELS.append(("triton", "cpu"))  # pyright: ignore[reportArgumentType]
else:
    KERNELS.append(("cpp", "cpu"))  # pyright: ignore[reportArgumentType]
    KERNELS.append(pytest.param("cuda", "cpu", marks=pytest.mark.slow, id="emulated"))
every_kernel = pytest.mark.parametrize(("backend", "device"), KERNELS)


@dataclass(frozen=True)
class Case:
    batch: int
    views: int
    prompts: int
    features: int
    kind: str = "cosine"
    dtype: torch.dtype = torch.float32
    layout: str = "plain"
    options: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        sizes = f"{self.batch}x{self.views}x{self.prompts}x{self.features}"
        return "-".join([sizes, self.kind, str(self.dtype)[6:], self.layout, *sorted(self.options)])


ALL = frozenset({"active", "mean", "scales", "total"})
CASES = [Case(2, 5, 3, 37, kind, options=ALL) for kind in public.KINDS]
CASES += [Case(1, 64, 4, 512, kind) for kind in public.KINDS]
CASES += [Case(3, 2, 9, 33, kind, torch.bfloat16, options=frozenset({"mean"})) for kind in public.KINDS]
CASES += [Case(2, 9, 6, 40, kind, torch.float16, options=frozenset({"total"})) for kind in public.KINDS]
CASES += [Case(1, 1, 1, 1), Case(1, 1, 1, 16), Case(2, 40, 1, 64, "spherical"), Case(1, 3, 2, 1100, "l1")]
CASES += [Case(0, 3, 2, 4), Case(1, 3, 0, 8, options=ALL), Case(2, 2, 3, 0)]
CASES += [
    Case(2, 6, 2, 24, "spherical", dtype, layout)
    for layout in ("transposed", "sliced", "expanded", "misaligned")
    for dtype in (torch.float32, torch.bfloat16)
]
CASES += [Case(3, 4, 5, 17, "l2", options=frozenset({option})) for option in ("scale", "0-d scale", *sorted(ALL))]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def embeddings_of(case: Case, draw: torch.Generator) -> Tensor:
    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).to(case.dtype)

    batch, views, features = case.batch, case.views, case.features
    if case.layout == "transposed":
        return normal(views, features, batch).permute(2, 0, 1)
    if case.layout == "sliced":
        return normal(batch, 2 * views, features + 3)[:, ::2, 1 : 1 + features]
    if case.layout == "expanded":
        return normal(batch, 1, features).expand(-1, views, -1)
    if case.layout == "misaligned":
        return normal(batch * views * features + 1)[1:].view(batch, views, features)
    return normal(batch, views, features)


def arguments(case: Case) -> dict[str, Any]:
    """Arguments of `cosine_loss` on the CPU; stops lie amid the distances, one weight is 0."""
    draw = torch.Generator().manual_seed(sum(map(ord, str(case))))
    pair = (case.batch, case.prompts)
    weights = torch.randn(pair, generator=draw)
    weights[:, 1:2] = 0
    stops = torch.randn(pair, generator=draw).masked_fill(torch.rand(pair, generator=draw) < 0.5, -INF)
    found = {
        "embeddings": embeddings_of(case, draw),
        "targets": torch.randn(*pair, case.features, generator=draw),
        "weights": weights,
        "stops": stops,
        "kind": case.kind,
    }
    extra = {
        "active": ("active", torch.rand(pair, generator=draw) < 0.7),
        "mean": ("prompt_mean", True),
        "scale": ("scale", -0.7),
        "0-d scale": ("scale", torch.tensor(1.3)),
        "scales": ("scale", torch.randn(case.batch, generator=draw)),
        "total": ("total", torch.randn(case.batch, generator=draw)),
    }
    return found | dict(extra[option] for option in case.options)


def moved(given: dict[str, Any], device: str = "cpu", dtype: torch.dtype | None = None) -> dict[str, Any]:
    """The arguments on a device, floats in another dtype where one is given."""

    def move(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        # moved by its memory, because .to() would straighten out strides
        there = value.untyped_storage().to(device=device) if device != "cpu" else None
        if there is not None:
            value = torch.empty(0, dtype=value.dtype, device=device).set_(
                there, value.storage_offset(), value.shape, value.stride()
            )
        return value.to(dtype) if dtype is not None and value.is_floating_point() else value

    return {name: move(value) for name, value in given.items()}


def on_backend(backend: str, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    if backend == "reference":
        return public.reference(**given)
    plain = {"active": None, "prompt_mean": False, "scale": 1.0, "total": None}
    return kernels.cosine_loss(**(plain | given), backend=backend)


def results(backend: str, given: dict[str, Any], wanted: bool = True) -> dict[str, Tensor]:
    """loss, similarities and, if wanted, the gradients of embeddings and total for uneven gradients of the loss."""
    leaves = {name: given[name].detach() for name in ("embeddings", "total") if name in given}
    leaves = {name: leaf.requires_grad_(wanted) for name, leaf in leaves.items()}
    loss, similarities = on_backend(backend, given | leaves)
    found = {"loss": loss.detach(), "similarities": similarities}
    assert not similarities.requires_grad
    if wanted:
        ahead = torch.linspace(0.5, -1.5, len(loss), device=loss.device).to(loss.dtype)
        found |= dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), ahead), strict=True))
    return found


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that a backend allocates holds NaN until it is written."""
    empty = torch.empty

    def nan(*sizes: Any, **options: Any) -> Tensor:
        made = empty(*sizes, **options)
        return made.fill_(torch.nan) if made.is_floating_point() else made

    monkeypatch.setattr(torch, "empty", nan)


@every_kernel
@every_case
def test_error_is_at_most_twice_that_of_plain_torch(backend: str, device: str, case: Case) -> None:
    given = arguments(case)
    truth = results("reference", moved(given, dtype=torch.float64))
    plain = results("reference", moved(given, device))
    found = results(backend, moved(given, device))
    assert found.keys() == plain.keys() == truth.keys()
    for name, right in truth.items():
        assert found[name].shape == right.shape
        assert found[name].dtype == plain[name].dtype
        if right.numel() == 0:
            continue
        error, allowed = ((x[name].cpu().double() - right).abs().max() for x in (found, plain))
        # a loss is a sum whose terms are of order 1 (spherical: 5) and may cancel: its last digits are luck
        size = right.abs().max().clamp_min(3.0 if name == "loss" else 0.0)
        assert error <= 2 * allowed + 2**-22 * size, name


@every_kernel
@every_case
def test_without_a_gradient_the_values_are_the_same(
    backend: str, device: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = moved(arguments(case), device)
    with_gradient = results(backend, given)
    made = []
    compute = kernels._compute
    monkeypatch.setattr(kernels, "_compute", lambda *args: made.append(compute(*args)) or made[-1])
    without = results(backend, given, wanted=False)
    assert torch.equal(without["loss"], with_gradient["loss"])
    assert torch.equal(without["similarities"], with_gradient["similarities"])
    assert [gradient.numel() for _, _, gradient in made] == [0]


@every_kernel
def test_a_picture_alone_gives_the_same_bits(backend: str, device: str) -> None:
    for kind in public.KINDS:
        given = moved(arguments(Case(3, 7, 5, 50, kind, options=ALL)), device)
        together = results(backend, given)
        for b in range(3):
            row = {name: x[b : b + 1] if isinstance(x, Tensor) else x for name, x in given.items()}
            alone = results(backend, row)
            assert torch.equal(alone["loss"][0], together["loss"][b])
            assert torch.equal(alone["similarities"][0], together["similarities"][b])
            # the gradients ahead differ: only b = 0 has the same
            if b == 0:
                assert torch.equal(alone["embeddings"][0], together["embeddings"][0])


@every_kernel
@pytest.mark.parametrize("kind", public.KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_zero_vectors_and_the_ends_of_the_distance(backend: str, device: str, kind: str, dtype: torch.dtype) -> None:
    """Views: zero, as good as zero, at the target, opposite to it, elsewhere; and a prompt that is zero."""
    target = torch.randn(1, 1, 20, generator=torch.Generator().manual_seed(4)).to(dtype).float()
    views = torch.cat([0 * target, 1e-14 * target, target, -2 * target, target.roll(1, 2)], 1).to(dtype)
    targets = torch.cat([target, torch.zeros_like(target)], 1)
    given = {
        "embeddings": views, "targets": targets, "weights": torch.tensor([[0.8, 0.5]]),
        "stops": torch.full((1, 2), -INF), "kind": kind,
    }  # fmt: skip
    expected, found = results("reference", given), results(backend, moved(given, device))
    for name in expected:
        want, got = expected[name].float(), found[name].cpu().float()
        assert got.isfinite().all()
        if name == "embeddings":
            # Opposite, the spherical slope is the largest there is and as good as the last digit of a cosine. At the
            # target Triton, which sums both lengths in orders of their own, may see a difference in the last digit.
            same = [0, 1, *([] if backend == "triton" else [2]), *([] if kind == "spherical" else [3]), 4]
            assert got[0].abs().amax(1)[2:].max() < 1e3
            want, got = want[0, same], got[0, same]
        torch.testing.assert_close(got, want, rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=2e-6)


@every_kernel
def test_a_broken_view_breaks_its_picture_only(backend: str, device: str) -> None:
    for value in (math.nan, INF):
        given = moved(arguments(Case(3, 4, 2, 20, "spherical", options=ALL)), device)
        whole = results(backend, given)
        given["embeddings"][1, 2, 3] = value
        broken = results(backend, given)
        assert broken["loss"].isnan().tolist() == [False, True, False]
        assert broken["embeddings"][1, 2].isnan().any()
        for b in (0, 2):
            assert torch.equal(broken["loss"][b], whole["loss"][b])
            assert torch.equal(broken["embeddings"][b], whole["embeddings"][b])


@every_kernel
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_every_half_precision_number_is_read_as_it_is(backend: str, device: str, dtype: torch.dtype) -> None:
    """Subnormal and infinite ones too: the cosine of (x, 1) and (1, 0) tells x."""
    runs_as_built = (backend, device) == ("cpp", "cpu") or device == "cuda"
    stride = 1 if runs_as_built else 31  # an interpreter or emulator takes a thread after the other
    numbers = torch.arange(0, 2**16, stride, dtype=torch.int32).to(torch.int16).view(dtype)
    given = {
        "embeddings": torch.stack([numbers, torch.ones_like(numbers)], 1)[None],
        "targets": torch.tensor([[[1.0, 0.0]]]), "weights": torch.ones(1, 1), "stops": torch.zeros(1, 1),
        "kind": "cosine",
    }  # fmt: skip
    found = results(backend, moved(given, device), wanted=False)["similarities"].cpu()
    expected = results("reference", given, wanted=False)["similarities"]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-37, equal_nan=True)


@every_kernel
def test_a_graph_may_be_walked_again_but_not_differentiated_twice(backend: str, device: str) -> None:
    given = moved(arguments(Case(2, 3, 2, 8)), device)
    leaf = given["embeddings"].requires_grad_()
    loss, _ = on_backend(backend, given)
    first, again = (torch.autograd.grad(loss.sum(), leaf, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, again)
    with pytest.raises(UserError, match="no second derivative"):
        torch.autograd.grad(loss.sum(), leaf, create_graph=True)


OP_CASES = [CASES[0], replace(CASES[1], dtype=torch.bfloat16), Case(2, 3, 2, 8), Case(1, 3, 0, 8)]


@every_kernel
@pytest.mark.parametrize("case", OP_CASES, ids=str)
@pytest.mark.parametrize("wanted", [True, False])
def test_torch_op_is_sound(backend: str, device: str, case: Case, wanted: bool) -> None:
    given = moved(arguments(case), device)
    scale = given.get("scale")
    total = given["total"].requires_grad_(wanted) if "total" in given else None
    sample = (
        given["embeddings"].requires_grad_(wanted), total, given["targets"], given["weights"], given["stops"],
        given.get("active"), scale, 1.0, case.kind, given.get("prompt_mean", False), wanted, backend,
    )  # fmt: skip
    torch.library.opcheck(torch.ops.fastclipgen.cosine_loss.default, sample)


@every_kernel
@pytest.mark.parametrize("kind", public.KINDS)
def test_compiles_into_one_graph(backend: str, device: str, kind: str) -> None:
    def loss_of(embeddings: Tensor, rest: dict[str, Any]) -> Tensor:
        first, _ = on_backend(backend, {**rest, "embeddings": 2 * embeddings, "total": None})
        loss, similarities = on_backend(backend, {**rest, "embeddings": embeddings.bfloat16(), "total": first})
        return loss * 3 + similarities.sum((1, 2))

    compiled = torch.compile(loss_of, fullgraph=True)
    for seed in range(3):
        given = moved(arguments(Case(2, 3, 2, 8, kind, options=ALL)), device)
        leaf = (given.pop("embeddings") + seed).requires_grad_()
        with torch._dynamo.config.patch(error_on_recompile=seed > 0):
            found, expected = compiled(leaf, given), loss_of(leaf, given)
            torch.testing.assert_close(found, expected)
            gradients = [torch.autograd.grad(x.square().sum(), leaf)[0] for x in (found, expected)]
        # eager mode rounds the gradient of the bfloat16 embeddings, compiled code need not
        torch.testing.assert_close(*gradients, rtol=2e-2, atol=1e-2 * gradients[1].abs().max().item())
        assert gradients[0].abs().max() > 1e-3


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_thread_count_changes_nothing(threads: int) -> None:
    """Enough work to be shared out in the middle of a picture."""
    given = arguments(Case(2, 151, 4, 1024, "spherical"))
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            found.append(results("cpp", given))
    finally:
        torch.set_num_threads(before)
    for name in found[0]:
        assert torch.equal(found[0][name], found[1][name])


def test_the_public_function_takes_the_kernel_where_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library.choose("cosine_loss", "cpu") == "cpp", library.native_reason()
    given = arguments(CASES[0])
    expected = on_backend("cpp", given)
    assert all(torch.equal(a, b) for a, b in zip(public.cosine_loss(**given), expected, strict=True))
    monkeypatch.setattr(kernels, "cosine_loss", None)  # from here on only the plain version may be called
    assert public.cosine_loss(**moved(given, dtype=torch.float64))[0].dtype == torch.float64
    for name in ("targets", "weights", "scale"):
        leaf = given[name].clone().requires_grad_()
        loss, _ = public.cosine_loss(**(given | {name: leaf}))
        assert torch.autograd.grad(loss.sum(), leaf)[0].abs().max() > 1e-3
    monkeypatch.setattr(library, "_native", None)
    monkeypatch.setattr(library, "choose", lambda *_: "reference")
    torch.testing.assert_close(public.cosine_loss(**given), expected)


def test_tensors_without_memory_get_shapes() -> None:
    given = arguments(CASES[0])
    with FakeTensorMode() as mode:
        fakes: dict[str, Any] = {name: mode.from_tensor(x) if isinstance(x, Tensor) else x for name, x in given.items()}
        loss, similarities = public.cosine_loss(**(fakes | {"embeddings": fakes["embeddings"].requires_grad_()}))
        assert (loss.shape, similarities.shape) == ((2,), (2, 5, 3))
        assert torch.autograd.grad(loss.sum(), fakes["embeddings"])[0].shape == (2, 5, 37)


@pytest.mark.gpu
def test_cuda_needs_one_launch_and_can_be_captured() -> None:
    given = moved(arguments(CASES[4]), "cuda")
    expected = on_backend("cuda", given)
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    embeddings = given["embeddings"].clone()
    with torch.cuda.graph(graph, stream=stream):
        captured = on_backend("cuda", given)
    given["embeddings"].mul_(-1)
    graph.replay()
    assert not torch.equal(captured[0], expected[0])
    assert torch.equal(captured[0], on_backend("cuda", given)[0])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        on_backend("cuda", given | {"embeddings": embeddings})
        torch.cuda.synchronize()
    launched = [event.name for event in profiler.events() or [] if "cosine_loss_kernel" in event.name]
    assert len(launched) == 1


def test_tensors_on_two_devices_are_refused() -> None:
    """A compiled backend reads addresses: what belongs to another device must not reach it."""
    given = arguments(CASES[0])
    for name in ("targets", "weights", "stops", "active", "scale", "total"):
        with pytest.raises(UserError, match=f"{name} must be on cpu, where the embeddings are, got meta"):
            public.cosine_loss(**(given | {name: given[name].to("meta")}))
