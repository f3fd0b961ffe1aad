"""Memory and the time of compiling, measured."""

from __future__ import annotations

import mmap
import time
from pathlib import Path

import torch

from fastclipgen.comparison import meters
from fastclipgen.comparison.meters import CompileClock, Peak

MIB = 2**20


def resident(mebibytes: int) -> mmap.mmap:
    """Memory of its own that is in RAM; a tensor may get what the process has kept of earlier ones."""
    pages = mmap.mmap(-1, mebibytes * MIB)
    pages.write(b"x" * len(pages))
    return pages


def test_the_peak_is_that_of_now_and_not_of_before() -> None:
    resident(120).close()
    resets = meters.RESET.exists()
    peak = Peak(torch.device("cpu"))
    held = resident(40)
    fullest = peak.bytes()
    assert fullest is not None
    assert fullest >= 39 * MIB
    assert fullest < 95 * MIB or not resets  # the bytes that it was written from are counted too
    held.close()
    after = peak.bytes()
    assert after is not None
    assert after >= 39 * MIB  # it was the most, though it is gone


def test_what_the_system_does_not_tell(tmp_path: Path) -> None:
    assert meters.peak_resident_bytes(tmp_path / "none") > MIB
    assert meters.resident_bytes(tmp_path / "none") > MIB
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t1024 kB\n")
    assert (meters.peak_resident_bytes(status), meters.resident_bytes(status)) == (2 * MIB, MIB)
    assert Peak(torch.device("meta")).bytes() is None


def test_compiling_is_timed_as_torch_tells() -> None:
    from torch._dynamo.callback import CallbackTrigger, callback_handler

    with CompileClock(True) as clock:
        time.sleep(0.02)
        for _ in range(2):
            with callback_handler.install_callbacks(CallbackTrigger.DYNAMO, "0"):
                time.sleep(0.05)
    assert clock.seconds >= 0.1
    assert clock.seconds < 10
    before = clock.seconds
    with callback_handler.install_callbacks(CallbackTrigger.DYNAMO, "0"):
        time.sleep(0.01)
    assert clock.seconds == before


def test_nothing_is_timed_where_nothing_is_compiled() -> None:
    with CompileClock(False) as clock:
        pass
    assert clock.seconds == 0
