"""The picture as it is now, copied off the device while the run goes on.

The thread that draws rounds the pictures to 8 bits on the device and sends them on their way (engine/readback.py); a
step or more later they are in the host's memory. Whoever wants to see them encodes them, on a thread of its own. So
pictures that nobody looks at cost a copy, and the drawing thread never waits.

How often: at most `RATE` times a second, and no more of the drawing thread's time than `SHARE`.
"""

from __future__ import annotations

import struct
import threading
import time
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastclipgen.engine.engine import StepInfo
from fastclipgen.engine.readback import Readback

RATE = 10.0  # times a second
SHARE = 0.01  # of the drawing thread's time
_LEAD = 2  # copies under way
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Snapshot(NamedTuple):
    """step: of the batch at hand; pixels: uint8 [B, H, W, 3]; first: the index in the run of the first of them."""

    step: int
    first: int
    pixels: np.ndarray


class Snapshots:
    """Of one run. `arrived` is called, on the thread that draws, when there is a newer one."""

    def __init__(
        self,
        device: torch.device,
        arrived: Callable[[Snapshot], object],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._device, self._arrived, self._clock = device, arrived, clock
        self._readback: Readback | None = None
        self._of: tuple[torch.Size, int] | None = None  # shape and first picture of the batch it is for
        self._due = 0.0
        self._shown: tuple[int, int] | None = None  # first and step of the newest

    def after_step(self, info: StepInfo, first: int) -> None:
        """Send the pictures of this step on their way if it is time to, and see what has arrived. first: the index in
        the run of the batch's first picture."""
        begun = self._clock()
        if begun >= self._due:
            levels = to_levels(info.images())
            if self._readback is None or self._of != (levels.shape, first):
                self._readback, self._of = Readback(self._device, _LEAD), (levels.shape, first)
            self._readback.push(info.step, levels)
            spent = self._clock() - begun
            self._due = begun + max(1 / RATE, spent / SHARE)
        self._look()

    def _look(self) -> None:
        newest = None if self._readback is None else self._readback.newest()
        if newest is None or self._of is None:
            return
        step, first = newest[0], self._of[1]
        if (first, step) != self._shown:
            self._shown = first, step
            self._arrived(Snapshot(step, first, newest[1].numpy()))


@torch.no_grad()
def to_levels(images: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] in 0..1 as uint8 [B, H, W, 3] on their device, rounded as files are (outputs.images); what
    is not finite is black."""
    levels = images.detach().float().nan_to_num(0.0).mul(255.0).add_(0.5).clamp_(0.0, 255.0)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


class Gallery:
    """The newest snapshot of a run, as PNGs for whoever asks, from any thread. Each is encoded once."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._newest: Snapshot | None = None
        self._start: dict[int, Snapshot] = {}  # by the first picture of a batch
        self._encoded: dict[int, bytes] = {}

    def put(self, snapshot: Snapshot) -> None:
        with self._turn:
            self._newest, self._encoded = snapshot, {}
            self._start.setdefault(snapshot.first, snapshot)

    def tag(self, index: int) -> str | None:
        """A name for what `png` would give; None where it would give nothing."""
        newest = self._newest
        return None if newest is None or not self._has(newest, index) else f"{newest.first}-{newest.step}-{index}"

    def png(self, index: int) -> tuple[str, bytes] | None:
        """Picture `index` of the run and its tag; None while it is not among those that are drawn."""
        with self._turn:  # the others wait for the same bytes
            newest, tag = self._newest, self.tag(index)
            if newest is None or tag is None:
                return None
            if index not in self._encoded:
                self._encoded[index] = encode_fast(newest.pixels[index - newest.first])
            return tag, self._encoded[index]

    def start(self, index: int) -> np.ndarray | None:
        """The first snapshot that there was of the picture, uint8 [H, W, 3]."""
        with self._turn:
            found = next((one for one in self._start.values() if self._has(one, index)), None)
        return None if found is None else found.pixels[index - found.first]

    def now(self, index: int) -> tuple[int, np.ndarray] | None:
        """The newest step of a picture and its pixels, uint8 [H, W, 3]."""
        newest = self._newest
        if newest is None or not self._has(newest, index):
            return None
        return newest.step, newest.pixels[index - newest.first]

    @staticmethod
    def _has(newest: Snapshot, index: int) -> bool:
        return 0 <= index - newest.first < len(newest.pixels)


def encode_fast(pixels: np.ndarray) -> bytes:
    """uint8 [H, W, 3] as a PNG that is not compressed: it is looked at for a tenth of a second, mostly on the same
    machine, and compressing it takes twenty times as long, of processors that draw (docs/performance-log.md). Pillow
    cannot leave out the choice of filters, which is most of that."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: 0, none
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    return _SIGNATURE + b"".join(
        _chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 0)), (b"IEND", b""))
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
