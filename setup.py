"""Builds the native module `fastclipgen._C` with CMake; everything else about the package is in pyproject.toml.

The native module is optional: without a working compiler the package installs as pure Python, and the reason is kept
in the package for `fastclipgen doctor`. FASTCLIPGEN_NO_NATIVE=1 leaves the module out on purpose,
FASTCLIPGEN_NO_CUDA=1 leaves out only its CUDA part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent
MISSING_NOTE = "_C.missing.txt"  # read by fastclipgen/doctor.py


class BuildNative(build_ext):
    """Runs CMake in a fresh folder: a kept cache would point into pip's deleted build environments."""

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        homes = [target.parent, *([ROOT / "fastclipgen"] if self.editable_mode else [])]
        for home in homes:  # nothing of an earlier build may pass for this one
            for old in home.glob("_C.*"):
                old.unlink()
        wishes = ["OFF"] if os.environ.get("FASTCLIPGEN_NO_CUDA") == "1" else ["AUTO", "OFF"]
        reason = ""
        for cuda in wishes:
            try:
                self.build_with_cmake(target, cuda)
                return
            except (OSError, ImportError, CompileError) as error:
                reason = str(error)
                self.warn(f"building {ext.name} with CUDA {cuda} failed: {reason}")
        for home in homes:
            home.mkdir(parents=True, exist_ok=True)
            (home / MISSING_NOTE).write_text(reason + "\n", encoding="utf-8")
        # A Python warning, because newer versions of pip show those of a build even without -v.
        warnings.warn(f"installing fastclipgen as pure Python (slower, same results): {reason}", stacklevel=1)
        raise CompileError(reason)  # the extension is optional, so setuptools goes on without it

    def build_with_cmake(self, target: Path, cuda: str) -> None:
        import pybind11  # in the build environment; a missing one is reported like a missing compiler

        with tempfile.TemporaryDirectory(prefix="fastclipgen-build-") as folder:
            configure = [
                *("-S", str(ROOT), "-B", folder, f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={folder}/out"),
                f"-DCMAKE_BUILD_TYPE={'Debug' if self.debug else 'Release'}",
                f"-DPython_EXECUTABLE={sys.executable}",
                f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
                f"-DFASTCLIPGEN_VERSION={self.distribution.get_version()}",
                f"-DFASTCLIPGEN_CUDA={cuda}",
            ]
            if ninja := find_tool("ninja"):
                configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
            cmake = find_tool("cmake") or "cmake"
            run([cmake, *configure])
            run([cmake, "--build", folder, "--config", "Release"])
            (built,) = Path(folder, "out").glob("_C*")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built, target)


def find_tool(name: str) -> str | None:
    """The program on PATH, or beside this Python when the environment was not activated."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def run(command: list[str]) -> None:
    """Runs a build command, shows its output, and raises CompileError with its first line about an error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, flush=True)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        first = next((i for i, line in enumerate(lines) if "error" in line.lower()), len(lines) - 1)
        raise CompileError(f"{Path(command[0]).name} failed: {' '.join(lines[first : first + 3])}")


native = os.environ.get("FASTCLIPGEN_NO_NATIVE") != "1"
setup(
    packages=[*find_packages(include=["fastclipgen", "fastclipgen.*"]), "fastclipgen.kernels", "fastclipgen.bench"],
    package_dir={"fastclipgen.kernels": "kernels", "fastclipgen.bench": "bench"},
    ext_modules=[Extension("fastclipgen._C", sources=[], optional=True)] if native else [],
    cmdclass={"build_ext": BuildNative},
)
