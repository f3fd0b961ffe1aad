"""The bounds of csrc/vq_bound.h, and the search that GPUs do with them, in torch: not every machine has a GPU.

Scores are computed as matrix units do, from bfloat16 copies with sums in float32, and by harsher sums than any of them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fastclipgen.ops import library

GROUP = 32


def native():
    module = library.native()
    assert module is not None, library.native_reason()
    return module


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def worst_rounding() -> tuple[Tensor, Tensor]:
    """Everything lies just above the middle of two bfloat16 numbers and points the same way."""
    middle = torch.nextafter(torch.tensor(1.0 + 2.0**-8), torch.tensor(2.0))
    return middle.expand(8, 64), torch.cat((middle.expand(8, 64), -middle.expand(8, 64) * 3))


def cancelling() -> tuple[Tensor, Tensor]:
    z, codes = normal(16, 128), normal(64, 128, seed=1)
    return torch.cat((z, z), 1), torch.cat((codes, -codes + 1e-3 * normal(64, 128, seed=2)), 1)


SETS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "normal": lambda: (normal(32, 96), normal(256, 96, seed=1)),
    "one feature": lambda: (normal(64, 1), normal(64, 1, seed=1)),
    "one sign": lambda: (normal(16, 512).abs(), normal(64, 512, seed=1).abs()),
    "worst rounding": worst_rounding,
    "cancelling": cancelling,
    "tiny": lambda: (normal(16, 32) * 1e-18, normal(64, 32, seed=1) * 1e-17),
    "vanishing": lambda: (normal(16, 32) * 1e-37, normal(64, 32, seed=1) * 1e-36),
    "huge": lambda: (normal(16, 32) * 1e16, normal(64, 32, seed=1) * 1e17),
    "unlike": lambda: (normal(16, 32) * 1e-12, normal(64, 32, seed=1) * 1e12),
    "zeros": lambda: (torch.zeros(4, 8), torch.zeros(40, 8)),
    "far from zero": lambda: (300 + normal(16, 64), 300 + normal(64, 64, seed=1)),
}


def add_rounded(sums: Tensor, products: Tensor) -> Tensor:
    return (sums + products).float().double()


def add_cut(sums: Tensor, products: Tensor) -> Tensor:
    """Both cut to 21 bits before they are added; tensor cores keep 24 or more."""
    largest = torch.maximum(sums.abs(), products.abs())
    unit = torch.ldexp(torch.ones_like(largest), torch.frexp(largest)[1] - 21)
    return torch.trunc(sums / unit) * unit + torch.trunc(products / unit) * unit


KINDS = {
    "float32": (False, False, add_rounded),
    "bfloat16": (True, False, add_rounded),
    "tensor core": (True, True, add_cut),
}


def bounds(z: Tensor, codes: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """lower and upper [N, K] as the kernels compute them, in float32, and blur [N]."""
    rounds, tensor_core, add = KINDS[kind]
    copies = [(x.bfloat16() if rounds else x).double() for x in (z, codes)]
    rows, lines = (
        list(zip(x.double().square().sum(1).tolist(), (x.double() - copy).square().sum(1).tolist(), strict=True))
        for x, copy in zip((z, codes), copies, strict=True)
    )
    depth = z.shape[1]
    own, row_norm, blur = torch.tensor([native().vq_row_terms(*r, depth, tensor_core) for r in rows]).T
    half, norm, rounding = torch.tensor([native().vq_code_terms(*line) for line in lines]).T
    dots = torch.zeros(len(z), len(codes), dtype=torch.float64)
    for d in range(depth):
        dots = add(dots, copies[0][:, d, None] * copies[1][:, d])
    reach = own[:, None] + rounding * row_norm[:, None]
    lower = (half - dots.float()) - reach * norm
    return lower, lower + 2.25 * (reach * norm + 2.0**-21 * half), blur


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inputs", SETS)
def test_scores_lie_between_their_bounds(inputs: str, kind: str) -> None:
    z, codes = SETS[inputs]()
    lower, upper, _ = bounds(z, codes, kind)
    truth = codes.double().square().sum(1) / 2 - z.double() @ codes.double().T
    assert (lower.double() <= truth).all()
    assert (truth <= upper.double()).all()
    norms = z.double().norm(dim=1)[:, None] * codes.double().norm(dim=1) + codes.double().square().sum(1)
    # and they are worth something: bfloat16 rounds to 2^-8, twice for a product, and bounds are 2.25 times as wide
    worth = 0.001 if kind == "float32" else 0.03
    if inputs != "vanishing":
        assert (upper - lower <= worth * norms + 1e-25).all()


def test_width_is_what_this_file_takes_it_for() -> None:
    assert native().vq_width(0.5, 3.0, 7.0) == pytest.approx(2.25 * (0.5 * 7.0 + 2.0**-21 * 3.0), rel=1e-6)


@pytest.mark.parametrize(
    ("square", "first"), [(float("inf"), "none"), (float("nan"), "none"), (1e40, "all"), (1e30, "bounded")]
)
def test_what_has_no_bound_is_always_or_never_in_question(square: float, first: str) -> None:
    infinity = float("inf")
    own = native().vq_row_terms(square, 0.0, 8, False)[0]
    half = native().vq_code_terms(square, 0.0)[0]
    if first == "bounded":
        assert max(abs(own), abs(half)) < infinity
    else:
        assert (own, half) == ((-infinity, infinity) if first == "none" else (infinity, -infinity))


def search(z: Tensor, codes: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Indices [N, k] as csrc/cuda finds them, and how many groups of codes each row compared exactly."""
    lower, upper, blur = bounds(z, codes, "tensor core")
    pad = -len(codes) % GROUP
    lowers, uppers = (
        torch.nn.functional.pad(x, (0, pad), value=torch.inf).unflatten(1, (-1, GROUP)).amin(2)
        for x in (lower, upper + blur[:, None])
    )
    limit = uppers.sort(1)[0][:, k - 1] if uppers.shape[1] >= k else torch.full((len(z),), torch.inf)
    open_groups = (lowers <= limit[:, None]) & (lowers < torch.inf)
    in_question = open_groups.repeat_interleave(GROUP, 1)[:, : len(codes)]
    distances = (z.double()[:, None] - codes.double()).square().sum(2)
    distances = torch.where(in_question, distances, torch.inf)
    return distances.sort(dim=1, stable=True)[1][:, :k], open_groups.sum(1)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("inputs", SETS)
def test_nothing_that_is_nearest_is_left_out(inputs: str, k: int) -> None:
    z, codes = SETS[inputs]()
    codes = torch.cat((codes, codes[: len(codes) // 3]))
    want = (z.double()[:, None] - codes.double()).square().sum(2).sort(dim=1, stable=True)[1][:, :k]
    assert torch.equal(search(z, codes, k)[0], want)


def test_few_codes_are_compared_exactly() -> None:
    z, codes = normal(24, 64), normal(4096, 64, seed=1)
    _, groups = search(z, codes, 1)
    assert groups.double().mean() < 2.5  # of 128
