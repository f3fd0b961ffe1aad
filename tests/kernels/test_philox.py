"""The Triton twin without a GPU: its results under the interpreter, and that it compiles for the GPUs we name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="material: this torch brings no triton")

HERE = Path(__file__).parent


def test_interpreted_kernel_equals_the_reference() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(HERE / "interpreted_philox.py")]
    done = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "64 cases equal\n"


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("ones", [{}, {"n": 1, "cutouts": 1, "stream": 1}], ids=["sizes", "ones"])
@pytest.mark.parametrize("out", ["*i64", "*fp32"])
def test_compiles_to_machine_code(capability: int, ones: dict[str, int], out: str) -> None:
    """`ones`: Triton makes a constant of every argument that is 1, which the kernel must bear."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from fastclipgen.kernels.philox import _philox_kernel  # pyright: ignore[reportMissingImports]

    types = {"seeds": "*i64", "step": "*i64", "out": out}
    types |= dict.fromkeys(("stream", "cutouts", "n", "calls"), "i32")
    types |= dict.fromkeys((*ones, "UNIFORM", "BLOCK"), "constexpr")
    constants = {**ones, "UNIFORM": out == "*fp32", "BLOCK": 256}
    source = ASTSource(_philox_kernel, types, constexprs=constants)  # type: ignore[reportArgumentType]
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert compiled.asm["cubin"]
