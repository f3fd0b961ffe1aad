"""Numbers that a device has computed, read by the host without waiting for them.

On a CUDA device the host queues work far ahead of what is done, and asking for a value makes it wait until the queue is
empty. So each value is copied into pinned memory behind the work that made it, with an event after the copy, and read
when the event has passed: a step or more later. Knows nothing of what the numbers mean.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

DEPTH = 4  # values under way: the host is never further ahead of the device than this


class Readback:
    """Small tensors of one shape on their way from `device` to the host, each with a number that tells them apart."""

    def __init__(self, device: torch.device, depth: int = DEPTH) -> None:
        self._sends = device.type == "cuda"
        self._depth = depth
        self._free: list[Tensor] = []
        self._under_way: deque[tuple[int, Tensor, Any]] = deque()
        self._newest: tuple[int, Tensor] | None = None

    def push(self, number: int, value: Tensor) -> None:
        """Send a value on its way. With `depth` values under way it waits until the oldest has arrived."""
        if not self._sends:
            self._newest = number, value.detach()
            return
        while len(self._under_way) >= self._depth:
            self._arrive()
        slot = self._free.pop() if self._free else self._pinned(value)
        slot.copy_(value.detach().contiguous(), non_blocking=True)
        self._under_way.append((number, slot, self._mark()))

    def newest(self) -> tuple[int, Tensor] | None:
        """The number and the value that arrived last; None before the first. Never waits."""
        while self._under_way and self._under_way[0][2].query():
            self._arrive()
        return self._newest

    def _arrive(self) -> None:
        """The oldest value under way becomes the newest that arrived; waits for it."""
        number, slot, mark = self._under_way.popleft()
        mark.synchronize()
        self._newest = number, slot.clone()
        self._free.append(slot)

    def _pinned(self, value: Tensor) -> Tensor:
        return torch.empty(value.shape, dtype=value.dtype, pin_memory=True)

    def _mark(self) -> Any:
        """An event behind everything queued so far."""
        event = torch.cuda.Event()
        event.record()
        return event
