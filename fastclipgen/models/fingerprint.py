"""Which weights a model has, in a few letters: for the keys of caches of what it makes."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def fingerprint(model: nn.Module, without: str = "") -> str:
    """A digest of all weights with their names, the same wherever they lie; but for those of a part named `without`."""
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if without in name.split("."):
            continue
        plain = value.detach().cpu().contiguous()
        total.update(f"{name} {plain.dtype} {list(plain.shape)}".encode())
        total.update(plain.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()[:32]
