"""The Triton twin without a GPU: its results under the interpreter, and that it compiles for the GPUs we name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="material: this torch brings no triton")

ROOT = Path(__file__).resolve().parents[2]
CASES = ("tests/ops/test_vq_lookup_backends.py", "tests/kernels/interpreted_vq_lookup.py")


@pytest.mark.slow
def test_interpreted_kernels_pass_the_cases_of_every_backend() -> None:
    """In a process of its own, because Triton reads TRITON_INTERPRET when it is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-k", "triton-cpu or terms", *CASES]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 20


INTEGERS = ("depth", "padded_depth", "n", "k", "groups")
STRIDES = ("row_stride", "column_stride", "z_row", "z_column", "code_row", "code_column")
WIDE = {"order": "*i64", "begins": "*i64", "indices": "*i64"}
ROUNDED = {"out": "*i16", "codes": "*bf16"}
KERNELS = {
    "_pack_kernel": {"CODES": True, "BLOCK": 256},
    "_score_kernel": {"ROWS": 64, "CODES": 128, "STEP": 32, "WIDEN": False},
    "_select_kernel": {"NEAREST": 3, "PLACES": 4, "GROUPS": 512, "BLOCK": 128, "DISTANCES": True},
    "_add_rows_kernel": {"BLOCK": 256},
}


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("element", ["*fp32", "*bf16", "*fp16"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_compiles_to_machine_code(kernel: str, element: str, capability: int) -> None:
    """With a column stride of 1, of which Triton makes a constant."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from fastclipgen.kernels import vq_lookup  # pyright: ignore[reportMissingImports]

    function = getattr(vq_lookup, kernel)
    constants = dict(KERNELS[kernel])
    types = {}
    for name in function.arg_names:
        if name in constants:
            types[name] = "constexpr"
        elif name.endswith("column_stride") or name.endswith("_column"):
            types[name], constants[name] = "constexpr", 1
        elif name in INTEGERS:
            types[name] = "i32"
        elif name in STRIDES:
            types[name] = "i64"
        elif name in ("x", "codebook") or (name == "z" and kernel != "_score_kernel"):
            types[name] = element
        else:
            types[name] = WIDE.get(name) or ROUNDED.get(name) or ("*bf16" if name == "z" else "*fp32")
    source = ASTSource(function, types, constexprs=constants)  # type: ignore[reportArgumentType]
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert compiled.asm["cubin"]
    if kernel == "_score_kernel":
        assert "mma" in compiled.asm["ptx"]
