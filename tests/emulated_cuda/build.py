"""Builds the bindings of an op with its CUDA kernels for the CPU, by the emulator beside this file.

Only kernel launches have to be rewritten: `kernel<<<blocks, threads, ...>>>(arguments);` becomes a call.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
CSRC = HERE.parents[1] / "csrc"
COMPILER = shutil.which("g++")  # its _Float16 and its contexts are used; clang on Linux would do as well
_STARTS = {"cutouts": ("cutout", "pyramid"), "vq_lookup": ("vq_",)}  # of an op's files, where it is not their name
_MODULE = """
#include "bindings/bindings.h"
PYBIND11_MODULE(_C, m) {{ fastclipgen::bind_{op}(m); }}
"""


def build(op: str, folder: Path, *flags: str) -> ModuleType:
    """The functions of csrc/bindings/{op}.cpp, whose CUDA ones run on the CPU and take its addresses.

    The files in `folder` are made: it must be a new one.
    """
    import pybind11

    starts = _STARTS.get(op, (op,))
    sources = [CSRC / "bindings" / f"{op}.cpp", folder / "module.cpp"]
    sources += [source for source in (CSRC / "cpu").glob("*.cpp") if source.name.startswith((*starts, "parallel"))]
    (folder / "module.cpp").write_text(_MODULE.format(op=op))
    for source in [source for source in (CSRC / "cuda").glob("*.cu") if source.name.startswith(starts)]:
        emulated = folder / f"{source.name}.cpp"
        emulated.write_text("#include <cuda_runtime.h>\n" + rewrite(source.read_text()))
        sources.append(emulated)
    library = folder / f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"
    includes = [HERE, CSRC, CSRC / "cuda", pybind11.get_include(), sysconfig.get_paths()["include"]]
    command = [str(COMPILER), "-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-ffp-contract=off"]
    command += ['-DFASTCLIPGEN_NVCC="emulated"', *flags, *(f"-I{path}" for path in includes)]
    done = subprocess.run([*command, *map(str, sources), "-o", str(library)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    spec = importlib.util.spec_from_file_location(f"emulated_{op}._C", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rewrite(source: str) -> str:
    """The source with its launches as calls."""
    out, rest = "", source
    while launch := re.search(r"(\w+(?:<[\w\s,]*>)?)\s*<<<(.*?)>>>\s*\(", rest, re.DOTALL):
        blocks, threads = _split(launch[2])[:2]
        end, depth = launch.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(rest[end], 0)
            end += 1
        call = f"{launch[1]}({rest[launch.end() : end]}"
        out += f"{rest[: launch.start()]}emulator::launch({blocks}, {threads}, [&] {{ {call}; }})"
        rest = rest[end:]
    return out + rest


def _split(arguments: str) -> list[str]:
    """At the commas outside brackets."""
    parts, depth = [""], 0
    for letter in arguments:
        depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
