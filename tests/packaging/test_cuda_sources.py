"""csrc/cuda compiles for the architectures that CMakeLists.txt names, and no kernel spills registers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "csrc" / "cuda").glob("*.cu"))
NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")

needs_nvcc = pytest.mark.skipif(NVCC is None, reason="material: no nvcc")


@needs_nvcc
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_compiles_without_spills(source: Path, tmp_path: Path) -> None:
    contracted = "true" if source.stem.startswith("cutout") else "false"  # as in CMakeLists.txt
    command = [str(NVCC), "-std=c++17", "-O3", f"--fmad={contracted}", "-I", str(ROOT / "csrc"), "-Xptxas", "-v"]
    command += ["-gencode=arch=compute_80,code=sm_80", "-gencode=arch=compute_90,code=sm_90"]
    done = subprocess.run([*command, "-c", str(source), "-o", str(tmp_path / "out.o")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    spills = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    kernels = re.findall(r"Compiling entry function '\w+' for 'sm_(80|90)'", done.stderr)
    assert {"80", "90"} == set(kernels)
    assert len(spills) >= len(kernels)
    assert set(spills) == {("0", "0", "0")}, done.stderr


@needs_nvcc
def test_native_module_holds_the_cuda_part() -> None:
    from fastclipgen.ops import library

    module = library.native()
    assert module is not None, library.native_reason()
    info = module.build_info()
    assert info["cuda"] is True
    assert info["cuda_archs"] == "80-real 90"
    assert hasattr(module, "philox_words_cuda")
    assert hasattr(module, "cosine_loss_cuda")
