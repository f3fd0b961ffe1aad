"""Unpickles torch files that hold objects of other programs, without making those objects or running any code.

PyTorch Lightning stores callbacks and optimisers with the weights, as pickled objects of its own classes. A pickle may
name any callable and have it called. Here every name but those few that torch builds tensors with stands for a thing
that takes whatever it is given and does nothing.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


def load(path: Path) -> Any:
    """The content of a torch file in zip form, tensors on the CPU, with inert objects in place of foreign ones.

    Raises what torch.load raises for a file that is damaged.
    """
    reader: Any = SimpleNamespace(Unpickler=_unpickler(), __name__="inert")
    return torch.load(path, map_location="cpu", weights_only=False, mmap=True, pickle_module=reader)


def _unpickler() -> type[pickle.Unpickler]:
    """A class for one file: what a file does to the things it is given here, it does to nothing else."""

    class Inert:
        """Whatever a file calls, builds or fills that is not a tensor."""

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return object.__new__(cls)

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self

        def __setstate__(self, state: Any) -> None: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def append(self, value: Any) -> None: ...
        def extend(self, values: Any) -> None: ...
        def add(self, value: Any) -> None: ...

    def tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
        # bounds first: set_ on a storage that is too small would enlarge it
        empty, raw = torch.empty(0, dtype=storage.dtype), storage._untyped_storage
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        end = (last + 1) * empty.itemsize
        if 0 not in size and not (offset >= 0 and min(stride, default=0) >= 0 and end <= raw.nbytes()):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        return empty.set_(raw, 0 if 0 in size else offset, tuple(size), tuple(stride))

    def parameter(data: Tensor, *_: Any) -> Tensor:
        return data

    known = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
    }

    class Unpickler(pickle.Unpickler):
        def find_class(self, module_name: str, global_name: str, /) -> Any:
            return known.get((module_name, global_name), Inert)

    return Unpickler
