"""What this installation can do and why not the rest: the text of `fastclipgen doctor`.

Changes nothing and asks no network.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path

import torch

from fastclipgen import __version__
from fastclipgen.ops import library

_ASSETS = Path(__file__).parent / "assets"
_PACKAGES = ("torch", "open_clip_torch", "huggingface_hub", "numpy", "pillow", "triton", "av", "tensorboard")


def report() -> dict[str, list[str]]:
    """The findings by heading, each a list of plain lines, in the order in which they are printed."""
    return {
        "versions": _versions(),
        "devices": _devices(),
        "native module": _native(),
        "backends": _backends(),
        "built-in weights": _weights(),
        "model hub": _hub(),
    }


def text(findings: dict[str, list[str]]) -> str:
    """`report()` for a terminal."""
    return "\n".join(line for heading, lines in findings.items() for line in (heading, *(f"  {x}" for x in lines)))


def main() -> int:
    """Prints the report; returns the exit code, which is 0: a missing optional part is no failure."""
    print(text(report()))
    return 0


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _versions() -> list[str]:
    lines = [f"fastclipgen {__version__}", f"python {sys.version.split()[0]} on {platform.platform()}"]
    return lines + [f"{package} {_version(package)}" for package in _PACKAGES]


def _devices() -> list[str]:
    lines = [f"cpu: {platform.machine()}, {torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            memory = f"{device.total_memory / 2**30:.0f} GiB"
            lines.append(f"cuda:{index}: {device.name}, {memory}, compute capability {device.major}.{device.minor}")
    else:
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        lines.append(f"cuda: none ({built})")
    if torch.backends.mps.is_available():
        lines.append("mps: present, taken only when asked for")
    return lines


def _native() -> list[str]:
    module = library.native()
    if module is None:
        return [f"no: {library.native_reason()}"]
    info = module.build_info()
    cuda = (
        f"nvcc {info['nvcc']} for {info['cuda_archs']}" if info["cuda"] else "no (nvcc was not found when it was built)"
    )
    return [
        f"yes: {info['compiler']}, C++{info['cpp_standard']}, {info['build_type']}, of fastclipgen {info['version']}",
        f"cuda in it: {cuda}",
    ]


def _backends() -> list[str]:
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    lines = []
    for op in library.OPS:
        for device in devices:
            lines.append(f"{op} on {device}: {library.choose(op, device)}")
            reasons = library.available(op, device)
            lines += [f"  not {backend}: {reason}" for backend, reason in reasons.items() if reason is not None]
    return lines


def _weights() -> list[str]:
    files = sorted(_ASSETS.glob("*.safetensors"))
    if not files:
        return [f"none in {_ASSETS}: this copy is incomplete; install fastclipgen again"]
    return [f"{file.name}: {file.stat().st_size / 1e6:.1f} MB" for file in files]


def _hub() -> list[str]:
    from huggingface_hub import constants  # slow to import, and only this part needs it

    asked = "offline (HF_HUB_OFFLINE is set): only cached models are used" if constants.HF_HUB_OFFLINE else "online"
    cache = Path(constants.HF_HUB_CACHE)
    state = "" if cache.is_dir() else " (does not exist yet)"
    return [f"configured: {asked}", f"address: {constants.ENDPOINT}", f"cache folder: {cache}{state}"]
