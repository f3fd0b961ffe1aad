"""Which backends an op has on a device, why not the others, and which one is taken.

Knows nothing of what an op computes.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from fastclipgen.errors import UserError, unknown

try:
    from fastclipgen import _C

    _native: ModuleType | None = _C
    _import_error = ""
except ImportError as error:
    _native = None
    _import_error = str(error)

# In order of preference. "reference" is the plain-torch version, which runs on any device.
_BACKENDS: dict[str, tuple[str, ...]] = {"cpu": ("cpp", "reference"), "cuda": ("cuda", "triton", "reference")}
# The kernels there are beside the reference.
_KERNELS: dict[str, frozenset[str]] = {
    "cosine_loss": frozenset({"cpp", "cuda", "triton"}),
    "cutouts": frozenset(),
    "philox": frozenset({"cpp", "cuda", "triton"}),
}
OPS: tuple[str, ...] = tuple(_KERNELS)
_LEAST_CAPABILITY = (8, 0)  # the oldest architecture in CMakeLists.txt


def native() -> ModuleType | None:
    """The native module `fastclipgen._C`, or None when this installation has none."""
    return _native


def native_reason() -> str | None:
    """Why there is no native module, in one line, or None when there is one. setup.py leaves the build's own words."""
    if _native is not None:
        return None
    package = Path(__file__).resolve().parent.parent
    if list(package.glob("_C.*.so")) or list(package.glob("_C.*.pyd")):
        return f"the native module does not load ({_import_error}); install fastclipgen again"
    note = package / "_C.missing.txt"
    if note.is_file():
        why = " ".join(note.read_text(encoding="utf-8").split())
        return f"the native module could not be built ({why}); install a C++ compiler, then fastclipgen again"
    return "installed without the native module (FASTCLIPGEN_NO_NATIVE=1, or run from a plain checkout)"


def available(op: str, device: torch.device | str) -> dict[str, str | None]:
    """Every backend that `op` could have on `device`, best first, with None where it can run and else why it cannot.

    Raises UserError for an op that is not in OPS.
    """
    if op not in _KERNELS:
        raise unknown("op", op, OPS)
    device = torch.device(device)
    return {backend: _reason(op, backend, device) for backend in _BACKENDS.get(device.type, ("reference",))}


def choose(op: str, device: torch.device | str, asked: str = "auto") -> str:
    """The backend that `op` runs on: the first available one, or the one asked for.

    Raises UserError when the asked backend is unknown or cannot run on `device`.
    """
    if asked == "auto":
        return _first(op, torch.device(device))
    reasons = available(op, device)
    if asked not in reasons:
        raise unknown(f"backend for {op} on {torch.device(device).type}", asked, ["auto", *reasons])
    if reasons[asked] is not None:
        runs = ", ".join(name for name, reason in reasons.items() if reason is None)
        raise UserError(f"backend '{asked}' cannot run {op} on {device}: {reasons[asked]} (these can: {runs})")
    return asked


@torch.compiler.assume_constant_result  # asked inside compiled steps; the same for the life of the process
def _first(op: str, device: torch.device) -> str:
    return _first_cached(op, device)


@cache  # asked at every draw; apart, because the compiler looks through a cache that it sees
def _first_cached(op: str, device: torch.device) -> str:
    return next(backend for backend, reason in available(op, device).items() if reason is None)


def _reason(op: str, backend: str, device: torch.device) -> str | None:
    if backend == "reference":
        return None
    if backend not in _KERNELS[op]:
        return f"there is no {backend} kernel for {op} in this version"
    if backend == "triton":
        missing = None if importlib.util.find_spec("triton") else "triton is not installed (fastclipgen[triton])"
    else:
        missing = native_reason()
    if missing is not None or backend == "cpp":
        return missing
    if backend == "cuda" and _native is not None and not _native.build_info()["cuda"]:
        return (
            "the native module was built without CUDA (no nvcc was found); install the CUDA toolkit, then fastclipgen"
        )
    return _device_reason(device)


def _device_reason(device: torch.device) -> str | None:
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    if torch.version.hip is not None:
        return "this torch is built for ROCm"
    capability = torch.cuda.get_device_capability(device)
    if capability < _LEAST_CAPABILITY:
        return f"the device has compute capability {capability[0]}.{capability[1]}, 8.0 is the least"
    return None
