"""The Triton twin without a GPU: its results under the interpreter, and that it compiles for the GPUs we name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastclipgen.ops.cosine_loss import KINDS

pytest.importorskip("triton", reason="material: this torch brings no triton")

# Without a gradient the kernel leaves the same lines out for every kind of loss.
SOME = "triton-cpu and not (without_a_gradient and (l1 or l2))"
CASES = Path(__file__).parents[1] / "ops" / "test_cosine_loss_native.py"


@pytest.mark.slow
def test_interpreted_kernel_passes_the_tests_of_all_backends() -> None:
    """In a process of its own, because Triton reads TRITON_INTERPRET when it is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", SOME, str(CASES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=CASES.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > 80
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("ones", [False, True], ids=["sizes", "ones"])
@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_compiles_to_machine_code(capability: int, ones: bool, kind: int) -> None:
    """`ones`: Triton makes a constant of every argument that is 1, which the kernel must bear."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from fastclipgen.kernels.cosine_loss import _cosine_loss_kernel  # pyright: ignore[reportMissingImports]

    pointers = ("targets", "weights", "stops", "active", "total", "scales", "loss", "similarities", "gradient")
    sizes = ("views", "prompts", "features", "batch_stride", "view_stride", "scale_stride")
    switches = {"PROMPT_MEAN": ones, "ACTIVE": ones, "TOTAL": ones, "SCALES": ones, "GRADIENT": True}
    blocks = {"KIND": kind, "BLOCK_N": 4, "BLOCK_P": 2, "BLOCK_E": 512}
    constants = {**switches, **blocks, **(dict.fromkeys(sizes, 1) if ones else {})}
    types = {"embeddings": "*bf16" if ones else "*fp32"} | dict.fromkeys(pointers, "*fp32") | {"active": "*u8"}
    types |= dict.fromkeys(sizes, "i32") | {"scale": "fp32"} | dict.fromkeys(constants, "constexpr")
    types = {name: types[name] for name in _cosine_loss_kernel.arg_names}
    source = ASTSource(_cosine_loss_kernel, types, constexprs=constants)  # type: ignore[reportArgumentType]
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 8})
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert compiled.asm["cubin"]
