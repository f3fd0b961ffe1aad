"""GroupNorm and SiLU in Triton without a GPU: under the interpreter, and that the kernels compile for GPUs we name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton", reason="material: this torch brings no triton")

CASES = Path(__file__).parents[1] / "ops" / "test_norm_silu.py"


@pytest.mark.slow
def test_interpreted_kernels_pass_the_tests_of_all_backends() -> None:
    """In a process of its own, because Triton reads TRITON_INTERPRET when it is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "triton-cpu"]
    done = subprocess.run([*command, str(CASES)], env=environment, capture_output=True, text=True, cwd=CASES.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.rpartition(" passed")[0].split()[-1]) > 14
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("ones", [False, True], ids=["sizes", "ones"])
@pytest.mark.parametrize("is_backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("name", ["_sum_kernel", "_join_kernel", "_write_kernel"])
def test_compiles_to_machine_code(capability: int, ones: bool, is_backward: bool, name: str) -> None:
    """`ones`: Triton makes a constant of every argument that is 1, which the kernels must bear."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from fastclipgen.kernels import norm_silu  # pyright: ignore[reportMissingImports]

    kernel: Any = getattr(norm_silu, name)
    maps = {"x", "grad", "out"}
    sizes = {"pixels", "span", "chunks", "groups"}
    constants: dict[str, Any] = {"CHANNELS": 128, "GROUP": 4, "BACKWARD": is_backward, "ROWS": 32, "BLOCK": 128}
    if name == "_join_kernel":
        constants |= {"PARTS": 256, "BLOCK": 4}
    constants |= dict.fromkeys(sizes, 1) if ones else {}
    types = {
        argument: "constexpr" if argument in constants
        else "i32" if argument in sizes
        else "fp32" if argument in ("count", "eps")
        else "*bf16" if argument in maps or argument in ("weight", "bias")
        else "*fp32"
        for argument in kernel.arg_names
    }  # fmt: skip
    constants = {key: value for key, value in constants.items() if key in types}
    source = ASTSource(kernel, types, constexprs=constants)  # type: ignore[reportArgumentType]
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 8})
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert compiled.asm["cubin"]
