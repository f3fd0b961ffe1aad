"""Every operation seen under a dispatch mode, so that waits for the host are told on a CPU.

`lift_fresh` is a tensor made of host numbers, which on a device would be a copy; `_local_scalar_dense` and its like are
values read back; an index of booleans has a result whose size only the device knows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {"lift_fresh", "_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal", "unique", "_unique2"}


class Watch(TorchDispatchMode):
    """Notes the operations that would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += 1
        name = func._schema.name.removeprefix("aten::")
        index = [a for a in args[1] if a is not None] if name.startswith("index") and isinstance(args[1], list) else []
        if name in WAITS or any(isinstance(i, Tensor) and i.dtype == torch.bool for i in index):
            self.waits.append(name)
        return func(*args, **(kwargs or {}))
