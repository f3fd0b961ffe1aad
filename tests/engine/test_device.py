"""Devices, precision, and the deterministic mode."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from fastclipgen.engine import device as module
from fastclipgen.engine.device import available_devices, deterministic_mode, resolve_device, resolve_precision
from fastclipgen.errors import UserError

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_devices", lambda: ["cpu"])


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu() -> None:
    assert resolve_device("auto") == resolve_device("cpu") == CPU
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(UserError, match=f"'{name}' was asked for but is not here; use one of auto, cpu"):
            resolve_device(name)


@pytest.mark.usefixtures("two_gpus")
def test_with_two_gpus() -> None:
    assert available_devices()[:4] == ["cpu", "cuda", "cuda:0", "cuda:1"]
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda:1")
    assert resolve_device("cuda:0") == CUDA
    with pytest.raises(UserError, match="cuda:2"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cdua", ""])
def test_unknown_devices(name: str) -> None:
    with pytest.raises(UserError, match="unknown device"):
        resolve_device(name)


def test_precision_on_the_cpu() -> None:
    assert resolve_precision("auto", CPU) is torch.float32
    assert resolve_precision("bf16", CPU) is torch.bfloat16
    assert resolve_precision("fp16", CPU) is torch.float16
    with pytest.raises(UserError, match="did you mean 'fp16'"):
        resolve_precision("f16", CPU)


@pytest.mark.parametrize(("capability", "auto"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_precision_on_cuda(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], auto: torch.dtype) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", CUDA) is auto
    assert resolve_precision("fp32", CUDA) is torch.float32
    if capability < (8, 0):
        with pytest.raises(UserError, match=r"has 7\.5"):
            resolve_precision("bf16", CUDA)
    else:
        assert resolve_precision("bf16", CUDA) is torch.bfloat16


def flags() -> tuple:
    backends: Any = torch.backends
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        backends.cudnn.benchmark,
        backends.cudnn.deterministic,
        backends.cudnn.allow_tf32,  # raises when torch finds the older and the newer flags at odds
        backends.cuda.matmul.allow_tf32,
        torch.get_float32_matmul_precision(),
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.mark.parametrize(("workspace", "precision"), [(None, "highest"), (":16:8", "high"), (None, "medium")])
def test_deterministic_mode_sets_and_restores(
    monkeypatch: pytest.MonkeyPatch, workspace: str | None, precision: str
) -> None:
    if workspace is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    else:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    original = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    before = flags()

    def fail() -> None:
        with deterministic_mode():
            assert flags() == (True, False, False, True, False, False, "highest", workspace or ":4096:8")
            raise KeyError("a run that fails")

    with pytest.raises(KeyError):
        fail()
    after = flags()
    torch.set_float32_matmul_precision(original)
    assert after == before


def test_deterministic_mode_keeps_the_newer_flags() -> None:
    matmul: Any = torch.backends.cuda.matmul
    original = matmul.fp32_precision
    matmul.fp32_precision = "tf32"
    try:
        with deterministic_mode():
            assert matmul.fp32_precision == "ieee"
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = original


def test_deterministic_mode_refuses_what_is_not() -> None:
    values = torch.zeros(2, requires_grad=True)
    with deterministic_mode(), pytest.raises(RuntimeError, match="deterministic"):
        torch.empty(3).put_(torch.tensor([0, 0]), values.detach(), accumulate=False)
