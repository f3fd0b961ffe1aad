"""Attributes and an embedding as one condition, for networks that take both, either or none. Knows no network."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Lengths(Protocol):
    """A geometry whose conditions have these two parts."""

    @property
    def attributes(self) -> int: ...

    @property
    def embedding(self) -> int: ...


def whole(
    lengths: Lengths,
    count: int,
    attributes: Tensor | None,
    embeddings: Tensor | None,
    *,
    signed: bool = True,
    device: torch.device | None = None,
) -> Tensor:
    """`count` whole conditions float32 [count, attributes + embedding] from their parts, a missing part being unknown.

    attributes: [count, A] of 1 (there), 0 (absent), or NaN (not known), which become 1, -1 and 0 if `signed`, else 1, 0
    and 0; embeddings: unit vectors [count, E]. Raises ValueError for parts of other lengths.
    """
    if attributes is not None:
        attributes = (2 * attributes - 1 if signed else attributes).nan_to_num(0.0)
    parts = []
    for part, width in ((attributes, lengths.attributes), (embeddings, lengths.embedding)):
        given = torch.zeros(count, width) if part is None else part
        if given.shape != (count, width):
            raise ValueError(f"expected a part of a condition of {[count, width]}, got {list(given.shape)}")
        parts.append(given.to(device, torch.float32))
    return torch.cat(parts, 1)
