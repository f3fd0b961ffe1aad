"""The Triton twin without a GPU: its results under the interpreter, and that it compiles for the GPUs we name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="material: this torch brings no triton")

HERE = Path(__file__).parent


@pytest.mark.slow
def test_interpreted_kernels_keep_to_the_error_of_plain_torch() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(HERE / "interpreted_cutouts.py")]
    done = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "19 cases equal\n"


SIZES = {"VIEWS": 4, "HEIGHT": 224, "WIDTH": 200, "SIZE": 224, "PATCH": 16, "LOW": 0, "HIGH": 2, "PADDING": 3}
STAGES = {"NOISE": 1, "PERSPECTIVE": 1, "LIGHT": 1, "SATURATION": 1, "HUE": 1, "ERASING": 1, "CLAMP": 1, "EXACT": 0}
FIXED = {"COUNT_EXPONENT": 20, "sums": "*i64"}
LAUNCHES = {
    "forward": ("cutouts", "_forward_kernel", {}),
    "forward, paddings of views": ("cutouts", "_forward_kernel", {"PADDING": 4}),
    "halve": ("cutouts", "_halve_kernel", {"FINE_HEIGHT": 9, "FINE_WIDTH": 8}),
    "scatter floats": ("cutout_gradients", "scatter_kernel", {**FIXED, "MODE": 0, "sums": "*fp32"}),
    "scatter, paddings of views": ("cutout_gradients", "scatter_kernel", {**FIXED, "MODE": 2, "PADDING": 4}),
    "scatter largest": ("cutout_gradients", "scatter_kernel", {**FIXED, "MODE": 1}),
    "scatter integers": ("cutout_gradients", "scatter_kernel", {**FIXED, "MODE": 2}),
    "fold floats": ("cutout_gradients", "fold_kernel", {**FIXED, "INTEGER": 0, "sums": "*fp32"}),
    "fold integers": ("cutout_gradients", "fold_kernel", {**FIXED, "INTEGER": 1}),
    "gather": ("cutout_gradients", "gather_kernel", {}),
}


def _type_of(name: str, real: str) -> str:
    if name in ("picture", "views", "grads", "gradient", "fine"):
        return real
    if name.startswith(("stride", "coarse_b")):
        return "i32"
    if name.startswith(("fill", "mean", "std")):
        return "fp32"
    return {"seeds": "*i64", "step": "*i64", "largest": "*i32"}.get(name, "*fp32")


@pytest.mark.slow
@pytest.mark.parametrize("launch", LAUNCHES)
@pytest.mark.parametrize(("capability", "real", "ones"), [(80, "*bf16", {}), (90, "*fp32", {"stride_x": 1})])
def test_compiles_to_machine_code(launch: str, capability: int, real: str, ones: dict[str, int]) -> None:
    """`ones`: Triton makes a constant of every argument that is 1, which the kernels must bear."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from fastclipgen.kernels import cutout_gradients, cutouts  # pyright: ignore[reportMissingImports]

    module, name, more = LAUNCHES[launch]
    kernel = getattr({"cutouts": cutouts, "cutout_gradients": cutout_gradients}[module], name)
    known = {**SIZES, **STAGES, **ones, **more}
    known = {name: value for name, value in known.items() if name in kernel.arg_names}
    constants = {name: value for name, value in known.items() if not isinstance(value, str)}
    types = {name: _type_of(name, real) for name in kernel.arg_names} | dict.fromkeys(constants, "constexpr")
    types |= {name: value for name, value in known.items() if isinstance(value, str)}
    source = ASTSource(kernel, types, constexprs=constants)  # type: ignore[reportArgumentType]
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=cutouts._OPTIONS)
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert compiled.asm["cubin"]
    assert "__local_depot" not in compiled.asm["ptx"]
