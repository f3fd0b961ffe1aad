"""What the ops bench measures: an op at one shape. Each module bench/ops_NAME.py offers some, and knows its op alone.

Such a module has `OP`, the op's name in fastclipgen.ops.library, and `cases(batch, device, small) -> list[OpCase]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

REFERENCE = "reference"
COMPILED = "compiled reference"
WHOLE = "op with draws"


class Work(NamedTuple):
    """What a call needs at the least: bytes read and written once each, and operations on numbers."""

    bytes: int
    flops: int

    def __add__(self, other: Work) -> Work:  # type: ignore[override]
        return Work(self.bytes + other.bytes, self.flops + other.flops)


@dataclass(frozen=True)
class Ready:
    """A case with its tensors on the device.

    run(backend, *leaves) -> the output whose gradient is taken; "reference" is one of the backends. leaves: what the
    gradient is asked of, each with requires_grad; none where the op has no gradient. yardstick: how others come to the
    same end, its name and run(*leaves). whole: the op as the package calls it with whatever else the yardstick does,
    run(*leaves); None: the op alone does the same as the yardstick.
    """

    run: Callable[..., Tensor]
    leaves: tuple[Tensor, ...] = ()
    yardstick: tuple[str, Callable[..., Tensor]] | None = None
    whole: Callable[..., Tensor] | None = None


@dataclass(frozen=True)
class OpCase:
    """backward: what the gradient needs beside `forward`; None where the op has none. only_reference: why no kernel
    takes this case, where none does."""

    op: str
    name: str
    batch: int
    make: Callable[[], Ready]
    forward: Work
    backward: Work | None = None
    only_reference: str = ""


class OpRun:
    """A competitor for `timing.time_blocks`: one call is one step, whatever its batch."""

    batch = 1

    def __init__(self, call: Callable[..., Tensor], leaves: tuple[Tensor, ...] = (), backward: bool = False) -> None:
        self.call, self.leaves, self.backward = call, leaves, backward
        self.slope: Tensor | None = None

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            if not self.backward:
                with torch.no_grad():
                    self.call(*self.leaves)
                continue
            out = self.call(*self.leaves)
            if self.slope is None:  # made once, and not of zeros: some kernels are quicker on those
                self.slope = torch.linspace(-1, 1, out.numel(), device=out.device, dtype=out.dtype).view_as(out)
            torch.autograd.grad(out, self.leaves, self.slope)
