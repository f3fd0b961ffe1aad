"""Run by test_vq_lookup.py with TRITON_INTERPRET=1: what Triton's pack keeps of rows is what csrc/vq_bound.h says."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.kernels import vq_lookup  # pyright: ignore[reportMissingImports]
from fastclipgen.ops import library


@pytest.mark.parametrize("codes", [False, True])
@pytest.mark.parametrize("scale", [1e-30, 1e-16, 1.0, 1e10, 1e18, 1e30, float("nan")])
def test_terms(scale: float, codes: bool) -> None:
    native = library.native()
    assert native is not None, library.native_reason()
    x = torch.randn(3, 300, generator=torch.Generator().manual_seed(0)) * scale
    copies = torch.full((3, 320), -1, dtype=torch.int16)
    first, norm, third = torch.full((3, 3), torch.nan)
    vq_lookup._pack_kernel[(3,)](x, *x.stride(), 300, 320, copies, first, norm, third, CODES=codes, BLOCK=256)
    rounded = torch.nn.functional.pad(x, (0, 20)).bfloat16()
    for row in range(3):
        square = float(x[row].double().square().sum())
        lost = float((x[row].double() - rounded[row, :300].double()).square().sum())
        want = native.vq_code_terms(square, lost) if codes else native.vq_row_terms(square, lost, 300, True)
        got = [float(first[row]), float(norm[row]), float(third[row])]
        if abs(want[0]) < float("inf"):
            assert got == pytest.approx(want, rel=3e-7, abs=1e-44)
            assert torch.equal(copies[row], rounded[row].view(torch.int16))
        else:
            assert got[0] == want[0]
            assert got[2] == 0
            assert (copies[row] == 0).all()
