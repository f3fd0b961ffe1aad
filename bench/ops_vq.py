"""Codebook lookup in the ops bench, beside `torch.cdist(...).argmin`, and the sums that training keeps of it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from fastclipgen.ops import vq_lookup_kernels

from .op_case import OpCase, Ready, Work

OP = "vq_lookup"
_FEATURES = 256
# vectors of one picture and codes: 256 and 512 pixels at an f=16 VQGAN with the codebooks of ImageNet 1024 and 16384
_SIZES = ((256, 1024), (1024, 1024), (1024, 16384))


def cases(batch: int, device: torch.device, small: bool) -> list[OpCase]:
    """Searches as in a step of VQGAN+CLIP, with the straight-through gradient; statistics of a training batch."""
    sizes = ((256, 128),) if small else _SIZES
    features = 16 if small else _FEATURES
    found = [_search(batch * vectors, codes, features, batch, device) for vectors, codes in sizes]
    return [*found, _statistics(batch * sizes[-1][0], sizes[-1][1], features, batch, device)]


def _vectors(vectors: int, codes: int, features: int, device: torch.device) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    z, codebook = torch.randn(vectors, features, generator=draw), torch.randn(codes, features, generator=draw)
    return z.to(device), codebook.to(device)


def _search(vectors: int, codes: int, features: int, batch: int, device: torch.device) -> OpCase:
    def make() -> Ready:
        z, codebook = _vectors(vectors, codes, features, device)

        def run(backend: str, z: Tensor) -> Tensor:
            indices = vq_lookup_kernels.vq_nearest(z, codebook, backend)
            return vq_lookup_kernels.vq_codes(z, codebook, indices, backend)

        def by_distances(z: Tensor) -> Tensor:
            nearest = F.embedding(torch.cdist(z.detach(), codebook).argmin(1), codebook)
            return z + (nearest - z).detach()

        return Ready(run, (z.requires_grad_(),), yardstick=("cdist.argmin", by_distances))

    return OpCase(
        op=OP,
        name=f"{vectors // batch} vectors, {codes} codes x {features}",
        batch=batch,
        make=make,
        forward=Work(4 * features * (2 * vectors + codes) + 8 * vectors, 2 * vectors * codes * features),
        backward=Work(0, 0),  # the gradient of z is that of the codes, which is there already
    )


def _statistics(vectors: int, codes: int, features: int, batch: int, device: torch.device) -> OpCase:
    return OpCase(
        op=OP,
        name=f"statistics of {vectors // batch} vectors, {codes} codes x {features}",
        batch=batch,
        make=partial(_ready_statistics, vectors, codes, features, device),
        forward=Work(4 * features * (vectors + codes) + 8 * (vectors + codes), vectors * features),
    )


def _ready_statistics(vectors: int, codes: int, features: int, device: torch.device) -> Ready:
    z, codebook = _vectors(vectors, codes, features, device)
    indices = torch.cdist(z, codebook).argmin(1)

    def run(backend: str) -> Tensor:
        return vq_lookup_kernels.vq_statistics(z, indices, codes, backend)[0]

    def by_product() -> Tensor:
        return F.one_hot(indices, codes).type(z.dtype).T @ z

    return Ready(run, yardstick=("one-hot product", by_product))
