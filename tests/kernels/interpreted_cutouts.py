"""Run by test_cutouts.py in a process of its own, because Triton reads TRITON_INTERPRET when it is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from fastclipgen.ops import cutout_kernels
from fastclipgen.ops.cutouts import CutoutParams

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ops"))
from cutout_cases import (  # pyright: ignore[reportMissingImports]  # found through the path above
    CASES,
    Case,
    check,
    check_noise,
    differentiate,
    make,
    poisoned,
)

# The interpreter takes seconds for a case: of every path through the kernels one, small. On a GPU all cases run.
NAMES = (
    "crops", "latest", "paddings", "everything, zeros", "everything, colour", "odd sizes", "level 0 to 4", "one pixel",
    "views of one pixel", "no pictures", "no pictures, exact", "odd patches", "bfloat16", "exact, everything",
    "exact, patches", "exact, float16", "exact, linear",
)  # fmt: skip
DETERMINISTIC = ("level 0 to 4", "no pictures")  # also with integer sums


def render(images: Tensor, params: CutoutParams, case: Case) -> Tensor:
    return cutout_kernels.render(images, params, case.mean, case.std, case.out, case.patch, False, "triton")


def render_deterministic(images: Tensor, params: CutoutParams, case: Case) -> Tensor:
    return cutout_kernels.render(images, params, case.mean, case.std, case.out, case.patch, True, "triton")


def check_not_finite(case: Case) -> None:
    """A gradient that is not finite spoils its own picture and no other."""
    images, params, grad = make(case)
    leaf = images.requires_grad_()
    views = render_deterministic(leaf, params, case)
    (finite,) = torch.autograd.grad(views, leaf, grad, retain_graph=True)
    grad[0] = torch.inf
    (found,) = torch.autograd.grad(views, leaf, grad)
    assert found[0].isnan().all()
    assert torch.equal(found[1:], finite[1:])


def main() -> None:
    torch.set_num_threads(1)
    torch.Tensor.new_empty = poisoned(torch.Tensor.new_empty)  # type: ignore[method-assign]
    cases = {case.name: case for case in CASES}
    works = [(cases[name], render) for name in NAMES]
    works += [(cases[name], render_deterministic) for name in DETERMINISTIC]
    for case, backend in works:
        check(case, differentiate(case, backend), truncates=True)  # as the interpreter does
    check_noise(render)
    check_not_finite(cases["linear"])
    print(f"{len(works)} cases equal")


if __name__ == "__main__":
    main()
