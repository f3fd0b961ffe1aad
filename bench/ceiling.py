"""What the device can do at most, measured beside what it does: a copy for bytes, a matrix product for operations."""

from __future__ import annotations

from dataclasses import dataclass

import torch

COPY_BYTES = {"cpu": 2**26, "cuda": 2**30}  # beyond every cache
SIDE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Ceiling:
    """One step moves `bytes` (read and written) and computes `flops`."""

    bytes: int
    flops: int


class Copy:
    """A competitor for `timing.time_blocks`: one step copies a large tensor."""

    batch = 1

    def __init__(self, device: torch.device) -> None:
        self.source = torch.ones(COPY_BYTES[device.type], dtype=torch.uint8, device=device)
        self.target = torch.empty_like(self.source)
        self.work = Ceiling(2 * self.source.nbytes, 0)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.target.copy_(self.source)


class MatrixProduct:
    """A competitor for `timing.time_blocks`: one step multiplies two square matrices of random numbers."""

    batch = 1

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        side = SIDE[device.type]
        generator = torch.Generator(device).manual_seed(0)
        self.left = torch.randn(side, side, generator=generator, device=device).to(dtype)
        self.right = torch.randn(side, side, generator=generator, device=device).to(dtype)
        self.out = torch.empty_like(self.left)
        self.work = Ceiling(3 * self.left.nbytes, 2 * side**3)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            torch.mm(self.left, self.right, out=self.out)
