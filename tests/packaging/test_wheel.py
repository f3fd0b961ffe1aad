"""What a wheel holds: with a compiler, without one, and when the native module is left out on purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fastclipgen

ROOT = Path(__file__).resolve().parents[2]
PARTS = [
    "fastclipgen",
    "kernels",
    "bench",
    "csrc",
    "setup.py",
    "CMakeLists.txt",
    "pyproject.toml",
    "MANIFEST.in",
    "LICENSE",
]


def build_wheel(folder: Path, **environment: str) -> tuple[Path, Path]:
    """Builds the wheel of a plain copy of the sources and unpacks it: (wheel, folder with its content)."""
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            junk = shutil.ignore_patterns("__pycache__", "_C.*")
            shutil.copytree(ROOT / part, source / part, ignore=junk)
        else:
            shutil.copy(ROOT / part, source / part)
    backend = "import setuptools.build_meta as backend; backend.build_wheel('..')"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FASTCLIPGEN_")}
    done = subprocess.run(
        [sys.executable, "-c", backend], cwd=source, env=clean | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    unpacked = folder / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    return wheel, unpacked


def run_in(unpacked: Path, code: str) -> str:
    """Runs Python code against the unpacked wheel, in the environment of this test but without its editable install."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "OMP_NUM_THREADS": "1"}
    hidden = "import sys; sys.meta_path = [f for f in sys.meta_path if 'Editable' not in getattr(f, '__name__', '')]\n"
    command = [sys.executable, "-c", hidden + code]
    done = subprocess.run(command, cwd=unpacked, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


DRAW = """
import torch
import fastclipgen.ops
from fastclipgen.ops import library, philox
print(fastclipgen.ops.__file__)
print(library.choose("philox", "cpu"))
print(philox.words(torch.tensor([0]), 0, philox.Stream(0), 4).tolist())
print(library.native_reason())
"""
FIRST_WORDS = "[[[1713891541, 3781805453, 3159862348, 2600524760]]]"  # 6627e8d5 e169c58d bc57ac4c 9b00dbd8


@pytest.mark.slow
def test_with_a_compiler(tmp_path: Path) -> None:
    wheel, unpacked = build_wheel(tmp_path, FASTCLIPGEN_NO_CUDA="1")
    assert len(list((unpacked / "fastclipgen").glob("_C.*.so"))) == 1
    assert not (unpacked / "fastclipgen" / "_C.missing.txt").exists()
    assert wheel.name.startswith(f"fastclipgen-{fastclipgen.__version__}-")
    assert not wheel.name.endswith("none-any.whl")
    where, backend, words, reason = run_in(unpacked, DRAW).splitlines()
    assert where.startswith(str(unpacked))
    assert (backend, words, reason) == ("cpp", FIRST_WORDS, "None")


def test_holds_every_package_and_asset(tmp_path: Path) -> None:
    _, unpacked = build_wheel(tmp_path, FASTCLIPGEN_NO_NATIVE="1")
    packaged = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    modules = {f"fastclipgen/{path.relative_to(ROOT / 'fastclipgen')}" for path in (ROOT / "fastclipgen").rglob("*.py")}
    kernels = {f"fastclipgen/kernels/{path.name}" for path in (ROOT / "kernels").glob("*.py")}
    benches = {f"fastclipgen/bench/{path.name}" for path in (ROOT / "bench").glob("*.py")}
    assets = {str(path.relative_to(ROOT)) for path in (ROOT / "fastclipgen" / "assets").glob("*") if path.is_file()}
    assert modules | kernels | benches | assets <= packaged
    assert not [name for name in packaged if name.startswith(("tests", "csrc", "kernels", "bench"))]


def test_without_a_compiler(tmp_path: Path) -> None:
    """Installs as pure Python; the reason stays in the package; the draws are the same."""
    _, unpacked = build_wheel(tmp_path, CXX=str(tmp_path / "no-such-compiler"))
    assert not list((unpacked / "fastclipgen").glob("_C.*.so"))
    _, backend, words, reason = run_in(unpacked, DRAW).splitlines()
    assert (backend, words) == ("reference", FIRST_WORDS)
    assert "could not be built" in reason
    assert "no-such-compiler" in reason


def test_left_out_on_purpose(tmp_path: Path) -> None:
    wheel, unpacked = build_wheel(tmp_path, FASTCLIPGEN_NO_NATIVE="1")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not list((unpacked / "fastclipgen").glob("_C.*"))
    *_, reason = run_in(unpacked, DRAW).splitlines()
    assert "FASTCLIPGEN_NO_NATIVE=1" in reason


def test_native_module_is_part_of_this_installation() -> None:
    """The suite itself must not run on the fallback unnoticed."""
    if os.environ.get("FASTCLIPGEN_NO_NATIVE") == "1":
        pytest.skip("material: installed with FASTCLIPGEN_NO_NATIVE=1")
    from fastclipgen.ops import library

    module = library.native()
    assert module is not None, library.native_reason()
    assert module.build_info()["cpp_standard"] == 17
