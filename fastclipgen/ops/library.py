"""Which backends an op has on a device, why not the others, and which one is taken.

Knows nothing of what an op computes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
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
    "cutouts": frozenset({"cpp", "cuda", "triton"}),
    "norm_silu": frozenset({"triton"}),
    "philox": frozenset({"cpp", "cuda", "triton"}),
    "vq_lookup": frozenset({"cpp", "cuda", "triton"}),
}
# What each kernel calls in the native module. An older build lacks what was added since.
_SYMBOLS: dict[tuple[str, str], tuple[str, ...]] = {
    ("cosine_loss", "cpp"): ("cosine_loss",),
    ("cosine_loss", "cuda"): ("cosine_loss_cuda",),
    ("cutouts", "cpp"): ("cutouts_forward", "cutouts_backward"),
    ("cutouts", "cuda"): ("cutouts_workspace_cuda", "cutouts_forward_cuda", "cutouts_backward_cuda"),
    ("philox", "cpp"): ("philox_words", "philox_uniforms"),
    ("philox", "cuda"): ("philox_words_cuda", "philox_uniforms_cuda"),
    ("vq_lookup", "cpp"): ("vq_scorers", "vq_topk_scratch", "vq_topk", "vq_statistics"),
    ("vq_lookup", "cuda"): ("vq_topk_cuda_scratch", "vq_topk_cuda", "vq_add_rows_cuda"),
}
OPS: tuple[str, ...] = tuple(_KERNELS)
_wanted = "auto"  # see `using`
_LEAST_CAPABILITY = (8, 0)  # the oldest architecture in CMakeLists.txt


def native() -> ModuleType | None:
    """The native module `fastclipgen._C`, or None when this installation has none."""
    return _native


def require_native() -> ModuleType:
    """The native module, for a backend that `choose` gave: then there is one."""
    assert _native is not None, "library.choose names only backends that exist"
    return _native


def queue(device: torch.device) -> tuple[int, int]:
    """The last arguments of the native module's CUDA functions: a device's number, its current stream's address."""
    stream = torch.cuda.current_stream(device)
    return stream.device_index, stream.cuda_stream


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


def check_backend(backend: str, device: torch.device | str) -> None:
    """Raises UserError when no op can run on `backend`, one of its name or "auto", on this device."""
    if backend == "auto":
        return
    reasons = {op: available(op, device) for op in OPS}
    names = {name for known in reasons.values() for name in known}
    if backend not in names:
        raise unknown(f"backend for {torch.device(device).type}", backend, ["auto", *sorted(names)])
    if all(known.get(backend, "") is not None for known in reasons.values()):
        why = next(reasons[op][backend] for op in OPS if backend in _KERNELS[op] and reasons[op].get(backend))
        raise UserError(f"backend '{backend}' can run nothing on {device}: {why}; use another --backend, or auto")


@contextmanager
def using(backend: str, device: torch.device | str) -> Iterator[None]:
    """Inside, every op that has `backend` on this device runs on it; "auto" changes nothing.

    For the whole process: ops may run on threads of autograd. Raises UserError as `check_backend`.
    """
    global _wanted
    check_backend(backend, device)
    before, _wanted = _wanted, backend
    try:
        yield
    finally:
        _wanted = before


def choose(op: str, device: torch.device | str, asked: str = "auto") -> str:
    """The backend that `op` runs on: the one asked for, else that of `using` where it can run, else the first that can.

    Raises UserError when the asked backend is unknown or cannot run on `device`.
    """
    if asked == "auto":
        return _first(op, torch.device(device), _wanted)
    reasons = available(op, device)
    if asked not in reasons:
        raise unknown(f"backend for {op} on {torch.device(device).type}", asked, ["auto", *reasons])
    if reasons[asked] is not None:
        runs = ", ".join(name for name, reason in reasons.items() if reason is None)
        raise UserError(f"backend '{asked}' cannot run {op} on {device}: {reasons[asked]} (these can: {runs})")
    return asked


@torch.compiler.assume_constant_result  # asked inside compiled steps; the same for the life of the process
def _first(op: str, device: torch.device, wanted: str) -> str:
    return _first_cached(op, device, wanted)


@cache  # asked at every draw; apart, because the compiler looks through a cache that it sees
def _first_cached(op: str, device: torch.device, wanted: str) -> str:
    runs = [backend for backend, reason in available(op, device).items() if reason is None]
    return wanted if wanted in runs else runs[0]


def _reason(op: str, backend: str, device: torch.device) -> str | None:
    if backend == "reference":
        return None
    if backend not in _KERNELS[op]:
        return f"there is no {backend} kernel for {op} in this version"
    if backend == "triton":
        missing = None if importlib.util.find_spec("triton") else "triton is not installed (fastclipgen[triton])"
    else:
        missing = native_reason()
    if missing is not None:
        return missing
    if backend == "cuda" and _native is not None and not _native.build_info()["cuda"]:
        return (
            "the native module was built without CUDA (no nvcc was found); install the CUDA toolkit, then fastclipgen"
        )
    if backend != "triton" and (lacking := _lacking(op, backend)):
        return f"the native module was built from older sources (it has no {lacking}); install fastclipgen again"
    return None if backend == "cpp" else _device_reason(device)


def _lacking(op: str, backend: str) -> str | None:
    """The first function of the op's kernel that the native module does not have."""
    return next((name for name in _SYMBOLS[op, backend] if not hasattr(_native, name)), None)


def _device_reason(device: torch.device) -> str | None:
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    if torch.version.hip is not None:
        return "this torch is built for ROCm"
    capability = torch.cuda.get_device_capability(device)
    if capability < _LEAST_CAPABILITY:
        return f"the device has compute capability {capability[0]}.{capability[1]}, 8.0 is the least"
    return None
