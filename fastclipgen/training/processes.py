"""Several processes that train one model, as `torchrun` starts them; alone, everything here does nothing.

Every process has the same weights and a share of each step's batch. Gradients are averaged after the backward pass, in
one message, so that the optimisers of all take the same step. Written by the first process only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from fastclipgen.errors import UserError

PATIENCE = timedelta(hours=2)  # the others wait while the first one evaluates


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if count() > 1 else 0


def started_together() -> int:
    """How many processes torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def together(device: torch.device) -> Iterator[torch.device]:
    """Within it the processes of torchrun know each other (NCCL for GPUs, gloo for CPUs). Gives the device of this one:
    of several GPUs the one that torchrun's LOCAL_RANK says."""
    if started_together() == 1:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def places(batch: int) -> range:
    """This process's places in the batch of a step. Raises UserError where the batch cannot be shared out evenly."""
    if batch % count():
        raise UserError(f"--batch {batch} cannot be shared out among {count()} processes; give a multiple of {count()}")
    share = batch // count()
    return range(rank() * share, (rank() + 1) * share)


def wait() -> None:
    """Until every process has come this far."""
    if count() > 1:
        dist.barrier()


def average(tensors: Iterable[Tensor]) -> None:
    """Every tensor becomes its mean over the processes, in place; those of one dtype travel together."""
    if count() == 1:
        return
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault(tensor.dtype, []).append(tensor)
    for alike in kinds.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        dist.all_reduce(flat)
        flat /= count()
        for tensor, mean in zip(alike, flat.split([tensor.numel() for tensor in alike]), strict=True):
            tensor.copy_(mean.view_as(tensor))


def total(tensor: Tensor) -> Tensor:
    """The sum over the processes, without a gradient."""
    if count() == 1:
        return tensor
    summed = tensor.clone()
    dist.all_reduce(summed)
    return summed


def gathered(tensor: Tensor) -> Tensor:
    """What all processes have, one after the other along the first dimension; of equal shapes, without a gradient."""
    if count() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(count())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def mean(tensor: Tensor) -> Tensor:
    """The mean over the processes, with the gradient that fits to gradients which are averaged afterwards."""
    return _Mean.apply(tensor) if count() > 1 else tensor  # pyright: ignore[reportReturnType]


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return total(tensor) / count()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return total(gradients[0]) / count()
