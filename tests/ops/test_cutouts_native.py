"""Every compiled backend of the cutouts against float64, with the cases of cutout_cases.py.

"emulated" is the CUDA backend with its kernels compiled for the CPU (conftest.py): what they compute is tested without
a GPU. Triton's kernels are tested without one in tests/kernels/test_cutouts.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastclipgen.ops import cutout_kernels, library
from fastclipgen.ops.cutouts import CutoutParams, CutoutSpec, cutouts, sample_cutouts

from .cutout_cases import (
    CASES,
    EVERYTHING,
    EXACT,
    ONE,
    SEEDS,
    Case,
    change,
    check,
    check_noise,
    differentiate,
    make,
    poisoned,
)

OP = "cutouts"
BACKENDS = [
    ("cpp", "cpu"),
    pytest.param("cuda", "cpu", marks=pytest.mark.slow, id="emulated"),
    pytest.param("cuda", "cuda", marks=pytest.mark.gpu),
    pytest.param("triton", "cuda", marks=pytest.mark.gpu),
]
BY_NAME = {case.name: case for case in CASES}
MIXED = [
    BY_NAME["everything, zeros"],
    BY_NAME["level 0 to 4"],
    BY_NAME["exact, everything"],
    BY_NAME["paddings"],
]
all_backends = pytest.mark.parametrize(("backend", "device"), BACKENDS)


def use(backend: str, deterministic: bool = False) -> Callable[[Tensor, CutoutParams, Case], Tensor]:
    """A `Render`."""

    def render(images: Tensor, params: CutoutParams, case: Case) -> Tensor:
        rest = (case.mean, case.std, case.out, case.patch, deterministic, backend)
        return cutout_kernels.render(images, params, *rest)

    return render


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "empty", poisoned(torch.empty))
    monkeypatch.setattr(torch.Tensor, "new_empty", poisoned(torch.Tensor.new_empty))


@all_backends
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.usefixtures("poison")
def test_error_is_at_most_twice_that_of_plain_torch(backend: str, device: str, case: Case) -> None:
    check(case, differentiate(case, use(backend), device))


@pytest.mark.parametrize(("backend", "device"), BACKENDS[1:])
@pytest.mark.parametrize("case", [c for c in CASES if not c.name.startswith("exact")], ids=str)
@pytest.mark.usefixtures("poison")
def test_error_of_integer_sums(backend: str, device: str, case: Case) -> None:
    check(case, differentiate(case, use(backend, deterministic=True), device))


@all_backends
def test_noise_is_that_of_philox(backend: str, device: str) -> None:
    check_noise(use(backend), device)


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("spec", [EVERYTHING, EXACT], ids=["sampled", "exact"])
def test_thread_count_changes_nothing(monkeypatch: pytest.MonkeyPatch, spec: CutoutSpec, threads: int) -> None:
    case = Case("large", spec, height=70, width=61, views=5, size=40)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    alone = differentiate(case, use("cpp"))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for one, many in zip(alone, differentiate(case, use("cpp")), strict=True):
        assert torch.equal(one, many)


@pytest.mark.slow
@pytest.mark.parametrize("case", MIXED, ids=str)
def test_order_of_threads_changes_nothing(emulate, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    """Of integer sums; that of float sums is the order of the atomic additions, which this shows too."""
    emulate(OP)
    results = {}
    for deterministic in (True, False):
        for order in ("forwards", "backwards"):
            if order == "backwards":
                monkeypatch.setenv("EMULATED_CUDA_BACKWARDS", "1")
            results[deterministic, order] = differentiate(case, use("cuda", deterministic))
            monkeypatch.delenv("EMULATED_CUDA_BACKWARDS", raising=False)
    for one, other in zip(results[True, "forwards"], results[True, "backwards"], strict=True):
        assert torch.equal(one, other)
    check(case, results[False, "backwards"])
    exact = case.spec.integer_shift
    assert torch.equal(results[False, "forwards"][1], results[False, "backwards"][1]) == exact


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["cuda", "triton"])
@pytest.mark.parametrize("spec", [EVERYTHING, EXACT], ids=["sampled", "exact"])
def test_deterministic_gradients_repeat(backend: str, spec: CutoutSpec) -> None:
    case = Case("large", spec, batch=3, height=150, width=140, views=16, size=128)
    runs = [differentiate(case, use(backend, deterministic=True), "cuda") for _ in range(3)]
    for again in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], again, strict=True))


@all_backends
@pytest.mark.parametrize("case", MIXED, ids=str)
def test_a_picture_alone_equals_itself_in_a_batch(backend: str, device: str, case: Case) -> None:
    """The second picture, to the bit, with others around it; gradients in deterministic mode."""
    render = use(backend, deterministic=True)
    case = Case("three", case.spec, batch=3, height=case.height, width=case.width, views=case.views, size=case.size)
    images, params, grad = make(case, device)
    alone = change(params, lambda t: t[1:2])
    results = []
    for pictures, drawn, of_views in (
        (images, params, grad),
        (images[1:2], alone, grad[case.views : 2 * case.views]),
    ):
        leaf = pictures.clone().requires_grad_()
        views = render(leaf, drawn, case)
        results.append((views, torch.autograd.grad(views, leaf, of_views)[0]))
    (batch_views, batch_grad), (views, of_picture) = results
    assert torch.equal(batch_views[case.views : 2 * case.views], views)
    assert torch.equal(batch_grad[1:2], of_picture)


@all_backends
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("case", MIXED, ids=str)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_gradients_that_are_not_finite_stay_in_their_picture(
    backend: str, device: str, deterministic: bool, case: Case, bad: float
) -> None:
    images, params, grad = make(case, device)
    leaf = images.clone().requires_grad_()
    views = use(backend, deterministic)(leaf, params._replace(erase=torch.zeros_like(params.erase)), case)
    (finite,) = torch.autograd.grad(views, leaf, grad, retain_graph=True)
    spoiled = grad.clone()
    spoiled[: case.views] = bad
    (found,) = torch.autograd.grad(views, leaf, spoiled)
    assert not found[0].isfinite().all()
    torch.testing.assert_close(found[1], finite[1], rtol=0, atol=0 if deterministic else 1e-5)


@all_backends
@pytest.mark.parametrize("power", [-60, -20, 60])
def test_deterministic_sums_fit_gradients_of_any_size(backend: str, device: str, power: int) -> None:
    """The unit of integer sums follows the largest gradient, so a power of two changes no bit."""
    case = BY_NAME["everything, zeros"]
    images, params, grad = make(case, device)
    leaf = images.clone().requires_grad_()
    views = use(backend, deterministic=True)(leaf, params, case)
    (plain,) = torch.autograd.grad(views, leaf, grad, retain_graph=True)
    (scaled,) = torch.autograd.grad(views, leaf, grad * 2.0**power)
    assert torch.equal(scaled, plain * 2.0**power)


@all_backends
def test_deterministic_sums_do_not_overflow(backend: str, device: str) -> None:
    """The most that a pixel can get: all of every view's gradient, all of it largest."""
    case = Case("one pixel", CutoutSpec(rotation=90.0), batch=1, height=1, width=1, views=8, size=16, std=ONE)
    images, params, grad = make(case, device)
    leaf = images.requires_grad_()
    views = use(backend, deterministic=True)(leaf, params, case)
    (found,) = torch.autograd.grad(views, leaf, torch.full_like(grad, 1.9999999))
    torch.testing.assert_close(found, torch.full_like(found, 1.9999999 * 8 * 16**2), rtol=1e-6, atol=0)


@all_backends
def test_zero_gradients(backend: str, device: str) -> None:
    images, params, grad = make(MIXED[0], device)
    leaf = images.requires_grad_()
    views = use(backend, deterministic=True)(leaf, params, MIXED[0])
    assert torch.autograd.grad(views, leaf, grad * 0.0)[0].abs().max() == 0


@all_backends
@pytest.mark.parametrize("case", [*MIXED, BY_NAME["bfloat16"]], ids=str)
@pytest.mark.parametrize("deterministic", [False, True])
def test_torch_ops_are_sound(backend: str, device: str, case: Case, deterministic: bool) -> None:
    images, params, grad = make(case, device)
    whole, real = cutout_kernels.plan(params, case.mean, case.std, case.patch)
    tensors = cutout_kernels.arrays_of(params._replace(step=torch.tensor(3, device=device)))
    forward = (images.clone().requires_grad_(), *tensors, whole, real, case.out, deterministic, backend)
    # Float sums in another order are other bits.
    names = ["test_schema", "test_faketensor", "test_aot_dispatch_static"] if deterministic or device == "cpu" else []
    names = names or ["test_schema", "test_faketensor"]
    torch.library.opcheck(torch.ops.fastclipgen.cutouts.default, forward, test_utils=names)
    backward = (grad, images, *tensors, whole, real, deterministic, backend)
    torch.library.opcheck(torch.ops.fastclipgen.cutouts_backward.default, backward, test_utils=names)


@all_backends
@pytest.mark.parametrize("case", [BY_NAME["das"], BY_NAME["latest"], BY_NAME["clipit"], BY_NAME["bfloat16"]], ids=str)
def test_compiles_fullgraph_once_for_all_steps(backend: str, device: str, case: Case) -> None:
    torch.compiler.reset()
    render = use(backend, deterministic=True)
    seeds = torch.tensor(SEEDS[: case.batch], device=device)

    def run(pixels: Tensor, step: Tensor) -> Tensor:
        params = sample_cutouts(case.spec, seeds, step, case.views, case.height, case.width, case.size)
        return render(pixels, params, case)

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    images = make(case, device)[0].clone().requires_grad_()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for step in (0, 1):
            out, expected = (f(images, torch.tensor(step, device=device)) for f in (compiled, run))
            torch.testing.assert_close(out, expected)
            losses = [v.float().square().sum() for v in (out, expected)]
            torch.testing.assert_close(*(torch.autograd.grad(loss, images) for loss in losses))


@all_backends
def test_other_dtypes_are_converted(backend: str, device: str) -> None:
    case = Case("float64 out", EVERYTHING, out=torch.float64)
    views = use(backend)(*make(case, device)[:2], case)
    assert views.dtype == torch.float64
    single = Case("float32 out", EVERYTHING)
    assert torch.equal(views.float(), use(backend)(*make(single, device)[:2], single))


def test_public_op_takes_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library.choose("cutouts", "cpu") == "cpp", library.native_reason()
    case = BY_NAME["patches"]
    images, params, _ = make(case)
    rest = (case.size, case.mean, case.std, torch.float32)
    chosen = cutouts(images, params, *rest, patch=case.patch)
    assert torch.equal(chosen, cutout_kernels.render(images, params, *rest[1:], case.patch, False, "cpp"))
    monkeypatch.setattr(library, "choose", lambda *_: "reference")
    torch.testing.assert_close(chosen, cutouts(images, params, *rest, patch=case.patch), rtol=0, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["cuda", "triton"])
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("case", MIXED, ids=str)
def test_captured_graphs_draw_anew_at_every_replay(backend: str, case: Case, deterministic: bool) -> None:
    """Nothing waits for the host, everything is on the current stream, and the step is read when it runs."""
    render = use(backend, deterministic)
    images, params, grad = make(case, "cuda")
    leaf = images.clone().requires_grad_()
    step = torch.tensor(0, device="cuda")

    def run() -> tuple[Tensor, Tensor]:
        views = render(leaf, params._replace(step=step), case)
        return views.detach(), torch.autograd.grad(views, leaf, grad)[0]

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        run()  # Triton compiles
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            captured = run()
        step.fill_(7)
        graph.replay()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for found, wanted in zip(captured, run(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0 if deterministic else 1e-5)
