"""Which device and which precision a run uses, and the deterministic mode.

Importing this touches no device; the functions ask torch when they are called. Knows nothing of what runs there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fastclipgen.errors import UserError, unknown

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def available_devices() -> list[str]:
    """Names that `resolve_device` accepts here, besides 'auto'."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *(["cuda"] if cuda else []), *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def resolve_device(name: str = "auto") -> torch.device:
    """'auto' (CUDA if there is any, else the CPU), 'cpu', 'cuda', 'cuda:i' or 'mps' -> device, with its index for CUDA.

    'mps' must be asked for: the project has no machine to watch it on. Raises UserError for a device that is not here.
    """
    here = available_devices()
    if name == "auto":
        name = "cuda" if "cuda" in here else "cpu"
    if name not in here:
        kind, _, index = name.partition(":")
        if kind not in ("cpu", "cuda", "mps") or (index and not index.isdecimal()):
            raise unknown("device", name, ["auto", "cpu", "cuda", "cuda:0", "mps"])
        raise UserError(f"device '{name}' was asked for but is not here; use one of auto, {', '.join(here)}")
    return torch.device("cuda", torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype of frozen weights and views: 'auto', 'fp32', 'bf16' or 'fp16'.

    'auto' is bf16 on CUDA devices that compute in it (compute capability 8.0 and newer) and fp32 elsewhere. Parameters
    and losses are fp32 in any case. Raises UserError for unknown names and for bf16 on older CUDA devices.
    """
    if name != "auto" and name not in PRECISIONS:
        raise unknown("precision", name, ["auto", *PRECISIONS])
    if device.type != "cuda":
        return torch.float32 if name == "auto" else PRECISIONS[name]
    capability = torch.cuda.get_device_capability(device)
    if name == "auto":
        return torch.bfloat16 if capability >= (8, 0) else torch.float32
    if name == "bf16" and capability < (8, 0):
        raise UserError(
            f"precision bf16 needs a CUDA device of compute capability 8.0 or newer, but {device} has "
            f"{capability[0]}.{capability[1]}; use --precision fp32 or fp16"
        )
    return PRECISIONS[name]


@contextmanager
def deterministic_mode() -> Iterator[None]:
    """Same inputs, same bits: deterministic kernels only, no cuDNN autotuning, no TF32; all is put back on exit.

    An operation without a deterministic kernel raises torch's RuntimeError instead of running. cuBLAS reads
    CUBLAS_WORKSPACE_CONFIG when its first handle is made, so enter before the process's first CUDA work.
    """
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    deterministic: Any = torch.utils.deterministic
    cudnn = torch.backends.cudnn
    before = deterministic.fill_uninitialized_memory, cudnn.benchmark, cudnn.deterministic
    try:
        torch.use_deterministic_algorithms(True)
        deterministic.fill_uninitialized_memory = False  # a debugging aid that costs a pass over every new tensor
        cudnn.benchmark, cudnn.deterministic = False, True
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        with _without_tf32():
            yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        deterministic.fill_uninitialized_memory, cudnn.benchmark, cudnn.deterministic = before
        if workspace is None:
            os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@contextmanager
def _without_tf32() -> Iterator[None]:
    """Full float32 in matrix products and convolutions.

    torch has older flags (allow_tf32, float32_matmul_precision) and newer ones (fp32_precision per operator), and
    refuses to read the older after only the newer were set. Others, Inductor among them, read the older. So the older
    are set here, and the newer only restored, where the older leave them different from what they were.
    """
    backends: Any = torch.backends
    operators = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul, backends.mkldnn.matmul)
    before = [operator.fp32_precision for operator in operators]
    try:
        matmul = torch.get_float32_matmul_precision()
    except RuntimeError:  # the user has set only the newer flags
        matmul = None
    try:
        backends.cudnn.allow_tf32 = False
        if matmul is None:
            backends.cuda.matmul.fp32_precision = "ieee"
        else:
            torch.set_float32_matmul_precision("highest")
        yield
    finally:
        backends.cudnn.allow_tf32 = "tf32" in before[:2]
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        for operator, value in zip(operators, before, strict=True):
            operator.fp32_precision = value
