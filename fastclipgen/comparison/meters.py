"""What drawing takes: memory at the fullest moment, and the time that went into compiling."""

from __future__ import annotations

import importlib
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """The most memory that this process holds from now on.

    CUDA: tensors on the device, models among them. CPU: the process's resident memory beyond what it has now, so that
    the libraries that are loaded already do not count (a system that cannot forget an earlier peak may tell that one).
    Elsewhere it is not known.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self._before = device, 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif device.type == "cpu":
            with suppress(OSError):
                RESET.write_text("5")  # Linux: the peak becomes what is resident now
            self._before = resident_bytes()

    def bytes(self) -> int | None:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return max(0, peak_resident_bytes() - self._before) if self.device.type == "cpu" else None


def resident_bytes(status: Path = STATUS) -> int:
    """Memory of this process that is in RAM now; elsewhere than on Linux the most that ever was."""
    return _of_status("VmRSS:", status) or peak_resident_bytes(status)


def peak_resident_bytes(status: Path = STATUS) -> int:
    """The most memory of this process that was in RAM at once."""
    # getrusage also counts what the process was before it began to run this program, so it comes second
    found = _of_status("VmHWM:", status)
    return found or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _of_status(name: str, status: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None


class CompileClock:
    """While entered, adds up the time that torch.compile takes, as torch tells when it begins and ends. `on`: whether
    anything is going to be compiled; if not, the compiler is not even loaded."""

    def __init__(self, on: bool) -> None:
        self.seconds, self._begun = 0.0, 0.0
        self._handler: Any = None
        if on:
            self._handler = importlib.import_module("torch._dynamo.callback").callback_handler

    def __enter__(self) -> CompileClock:
        if self._handler is not None:
            self._handler.register_start_callback(self._start)
            self._handler.register_end_callback(self._end)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if self._handler is not None:
            self._handler.remove_start_callback(self._start)
            self._handler.remove_end_callback(self._end)

    def _start(self, _: object) -> None:
        self._begun = time.perf_counter()

    def _end(self, _: object) -> None:
        self.seconds += time.perf_counter() - self._begun
