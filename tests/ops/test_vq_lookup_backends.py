"""Every backend of the nearest-code search against distances in float64, on one list of cases.

With TRITON_INTERPRET=1 (tests/kernels/test_vq_lookup.py) the Triton kernels run here too, on CPU tensors.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastclipgen.ops import library, vq_lookup_kernels

OP = "vq_lookup"
BACKENDS = [
    ("reference", "cpu"),
    ("cpp", "cpu"),
    pytest.param("cuda", "cpu", marks=pytest.mark.slow, id="emulated"),
    pytest.param("reference", "cuda", marks=pytest.mark.gpu),
    pytest.param("cuda", "cuda", marks=pytest.mark.gpu),
    pytest.param("triton", "cuda", marks=pytest.mark.gpu),
]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if INTERPRETED:
    BACKENDS = [("triton", "cpu")]
POISON = -77


def normal(n: int, k: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), torch.randn(k, d, generator=generator)


def with_equal_codes() -> tuple[Tensor, Tensor]:
    z, codebook = normal(6, 120, 9)
    codebook[60:] = codebook[:60].clone()
    return z, codebook


def all_codes_equal() -> tuple[Tensor, Tensor]:
    z, codebook = normal(3, 130, 5)
    return z, codebook[:1].expand(130, 5)


def dead_codes() -> tuple[Tensor, Tensor]:
    """Most codes still at their first values, tiny and close to each other, and z as close."""
    z, codebook = normal(6, 200, 16)
    codebook[10:] *= 1e-4
    z[::2] *= 1e-4
    return z, codebook


def on_the_codes() -> tuple[Tensor, Tensor]:
    """z on codes, each of which has neighbours one rounding away."""
    _, codebook = normal(1, 100, 33)
    codebook[40:46] = codebook[7]
    for i in range(6):
        codebook[40 + i, i] = torch.nextafter(codebook[7, i], torch.tensor(9.0))
    return codebook[[7, 42, 45, 99, 0]].clone(), codebook


def far_from_zero() -> tuple[Tensor, Tensor]:
    """Norms are large against distances, so that bfloat16 tells nothing apart."""
    z, codebook = normal(4, 90, 24)
    return 100.0 + z * 0.01, 100.0 + codebook * 0.01


def mixed_sizes() -> tuple[Tensor, Tensor]:
    """Every magnitude of float32, down to subnormals and up to its end."""
    z, codebook = normal(8, 64, 4)
    z *= torch.tensor([1e-45, 1e-38, 1e-20, 1e-3, 1e3, 1e17, 1e20, 1e38])[:, None]
    codebook *= torch.tensor([1e-44, 1e-39, 1e-19, 1e-3, 1e4, 1e16, 1e19, 3e37]).repeat(8)[:, None]
    return z, codebook


def not_finite() -> tuple[Tensor, Tensor]:
    z, codebook = normal(5, 70, 6)
    z[0, 3], z[1, 0], z[2, 5] = torch.nan, torch.inf, -torch.inf
    codebook[0, 2], codebook[33, 1], codebook[69, 0] = torch.nan, torch.inf, -torch.inf
    return z, codebook


def hardly_any_finite() -> tuple[Tensor, Tensor]:
    z, codebook = normal(2, 40, 3)
    codebook[:, 1] = torch.inf
    codebook[[2, 39], 1] = 0.5
    return z, codebook


def transposed() -> tuple[Tensor, Tensor]:
    z, codebook = normal(10, 50, 14)
    return z.T.contiguous().T, codebook.T.contiguous().T


def stepping() -> tuple[Tensor, Tensor]:
    z, codebook = normal(9, 150, 40)
    return z[::2, 1::3], codebook[1::3, 1::3]


def broadcast() -> tuple[Tensor, Tensor]:
    z, codebook = normal(1, 40, 1)
    return z.expand(4, 8), codebook.expand(40, 8)


CASES: dict[str, tuple[Callable[[], tuple[Tensor, Tensor]], tuple[int, ...]]] = {
    "one": (lambda: normal(1, 1, 1), (1,)),
    "odd": (lambda: normal(9, 129, 7), (1, 3)),
    "few codes": (lambda: normal(5, 3, 65), (1, 3)),
    "deep": (lambda: normal(3, 40, 300), (2,)),
    "most neighbours": (lambda: normal(3, 300, 12), (16,)),
    "no rows": (lambda: normal(0, 5, 4), (1, 2)),
    "equal codes": (with_equal_codes, (1, 4)),
    "all codes equal": (all_codes_equal, (1, 16)),
    "dead codes": (dead_codes, (1, 5)),
    "on the codes": (on_the_codes, (1, 8)),
    "far from zero": (far_from_zero, (1, 3)),
    "mixed sizes": (mixed_sizes, (1, 16)),
    "not finite": (not_finite, (1, 16)),
    "hardly any finite": (hardly_any_finite, (1, 6)),
    "transposed": (transposed, (1, 2)),
    "stepping": (stepping, (1, 2)),
    "broadcast": (broadcast, (1, 3)),
}
TRIPLES = [
    pytest.param(name, k, dtype, id=f"{name}-{k}-{short}")
    for name, (_, ks) in CASES.items()
    for k in ks
    for short, dtype in DTYPES.items()
    # the interpreter takes seconds for a case, and reads half precision in one place
    if not INTERPRETED or (k == ks[-1] and (short == "fp32" or name in ("odd", "not finite")))
]


def truth(z: Tensor, codebook: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """By differences in float64; what is not finite is infinite; equal ones by index."""
    distances = (z.double()[:, None] - codebook.double()).square().sum(2)
    distances = torch.where(distances.isfinite(), distances, torch.inf)
    distances, indices = distances.sort(dim=1, stable=True)
    return distances[:, :k], indices[:, :k]


def assert_equal(distances: Tensor, indices: Tensor, z: Tensor, codebook: Tensor, exact: bool = True) -> None:
    want, index = truth(z, codebook, indices.shape[1])
    if exact:
        assert torch.equal(indices, index)
    else:  # another order of adding makes other distances equal
        all_distances, order = truth(z, codebook, len(codebook))
        found = all_distances.gather(1, order.argsort(1).gather(1, indices))
        assert torch.allclose(found, want, rtol=2.0**-45, atol=0.0)
        assert all(len(set(row)) == len(row) for row in indices.tolist())
    # one rounding of a sum in float64
    assert torch.equal(distances.isinf(), want.float().isinf())
    error = torch.where(want.float().isinf(), 0.0, distances.double() - want).abs()
    assert (error <= want.nan_to_num(posinf=0.0) * 2.0**-24 * 1.001 + 2.0**-149).all()


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize(("case", "k", "dtype"), TRIPLES)
def test_equals_the_truth(case: str, k: int, dtype: torch.dtype, backend: str, device: str) -> None:
    z, codebook = (tensor.to(dtype) for tensor in CASES[case][0]())
    if (backend, device, dtype) == ("triton", "cpu", torch.bfloat16):
        # Triton's interpreter takes subnormal bfloat16 numbers for others
        least = torch.finfo(dtype).smallest_normal
        z, codebook = (torch.where(tensor.abs() < least, 0.0, tensor) for tensor in (z, codebook))
    distances = torch.full((len(z), k), torch.nan, device=device)
    indices = torch.full((len(z), k), POISON, device=device)
    vq_lookup_kernels._search(z.to(device), codebook.to(device), distances, indices, backend)
    assert_equal(distances.cpu(), indices.cpu(), z, codebook, exact=case != "mixed sizes")
    if k == 1 and len(z) > 0:  # the search for indices alone takes a shorter way
        indices.fill_(POISON)
        vq_lookup_kernels._search(z.to(device), codebook.to(device), None, indices, backend)
        assert_equal(distances.cpu(), indices.cpu(), z, codebook, exact=case != "mixed sizes")


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
@pytest.mark.parametrize("strided", [False, True])
def test_statistics(strided: bool, dtype: torch.dtype, backend: str, device: str, monkeypatch) -> None:
    def poisoned(z: Tensor, codes: int) -> tuple[Tensor, Tensor]:
        sums = torch.full((codes, z.shape[1]), torch.nan, device=z.device)
        return sums, torch.full((codes,), POISON, device=z.device)

    monkeypatch.setattr(vq_lookup_kernels, "_statistics_outputs", poisoned)
    z = normal(60, 1, 22)[0].to(dtype)
    z = z[::2, ::2] if strided else z[:30, :11]
    indices = torch.randint(-2, 9, (30,), generator=torch.Generator().manual_seed(1))  # 7 codes, some rows left out
    indices[indices == 4] = 5  # and a code without rows
    operation = vq_lookup_kernels.vq_statistics._init_fn  # without the checks of torch.library, which take copies
    sums, counts = operation(z.to(device), indices.to(device), 7, backend)
    inside = (indices >= 0) & (indices < 7)
    assert counts.tolist() == [int((indices == code).sum()) for code in range(7)]
    want = torch.zeros(7, z.shape[1], dtype=torch.float64).index_add(0, indices[inside], z[inside].double())
    assert sums.dtype == torch.float32
    assert torch.equal(sums.cpu(), want.float())


@pytest.mark.parametrize(("backend", "device"), BACKENDS)
def test_torch_ops_are_sound(backend: str, device: str) -> None:
    z, codebook = (tensor.to(device) for tensor in normal(5, 9, 4))
    indices = torch.tensor([0, 8, 3, 3, 1], device=device)
    ops = torch.ops.fastclipgen
    torch.library.opcheck(ops.vq_nearest.default, (z, codebook, backend))
    torch.library.opcheck(ops.vq_topk.default, (z, codebook, 3, backend))
    z, codebook = z.requires_grad_(), codebook.requires_grad_()
    torch.library.opcheck(ops.vq_codes.default, (z, codebook, indices, backend))
    torch.library.opcheck(ops.vq_statistics.default, (z, indices, 9, backend))


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["cuda", "triton"])
def test_large_search_on_a_gpu(backend: str) -> None:
    z, codebook = (tensor.cuda() for tensor in normal(1000, 16384, 256))
    want = vq_lookup_kernels.vq_topk(z, codebook, 16, "reference")
    got = vq_lookup_kernels.vq_topk(z, codebook, 16, backend)
    assert torch.equal(got[1], want[1])
    assert torch.allclose(got[0], want[0], rtol=2e-7)


@pytest.mark.gpu
def test_a_captured_search_sees_what_is_in_memory_when_it_is_replayed() -> None:
    z, codebook = (tensor.cuda() for tensor in normal(40, 300, 16))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream()):
        indices = vq_lookup_kernels.vq_nearest(z, codebook, "cuda")
    z.copy_(codebook[:40])
    graph.replay()
    assert indices.tolist() == list(range(40))


def test_the_library_chooses_the_compiled_search() -> None:
    assert library.choose("vq_lookup", "cpu") == "cpp", library.native_reason()
