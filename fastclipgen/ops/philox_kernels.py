"""The compiled Philox backends as one torch op, `fastclipgen::philox`: C++ on the CPU, CUDA or Triton on a CUDA device.

Opaque to torch.compile, which sees only shapes. philox.py holds the plain-torch version, whose bits these repeat.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastclipgen.ops import library


@torch.library.custom_op("fastclipgen::philox", mutates_args=())
def philox(seeds: Tensor, step: Tensor, stream: int, n: int, cutouts: int, dtype: torch.dtype, backend: str) -> Tensor:
    """Words (dtype int64) or uniforms (float32), [B, cutouts, n], on the device of `seeds`.

    seeds: int64 [B]. step: int64 0-d on the same device. backend: "cpp", "cuda" or "triton", as library.choose gave it.
    """
    seeds, out = seeds.contiguous(), _empty(seeds, n, cutouts, dtype)
    if backend == "triton":
        # Triton is loaded only where it is used. Pyright does not see that the package holds kernels/.
        from fastclipgen.kernels import philox as triton_philox  # pyright: ignore[reportMissingImports]

        with torch.cuda.device(seeds.device):
            triton_philox.fill(seeds, step, stream, out)
        return out
    native = library.require_native()
    kind = "words" if dtype == torch.int64 else "uniforms"
    shape = (stream, cutouts, n, out.data_ptr())
    if backend == "cpp":
        fill = getattr(native, f"philox_{kind}")
        fill(seeds.data_ptr(), seeds.shape[0], int(step), *shape, torch.get_num_threads())
    else:
        fill = getattr(native, f"philox_{kind}_cuda")
        fill(seeds.data_ptr(), seeds.shape[0], step.data_ptr(), *shape, *library.queue(seeds.device))
    return out


@philox.register_fake
def _(seeds: Tensor, step: Tensor, stream: int, n: int, cutouts: int, dtype: torch.dtype, backend: str) -> Tensor:
    return _empty(seeds, n, cutouts, dtype)


def _empty(seeds: Tensor, n: int, cutouts: int, dtype: torch.dtype) -> Tensor:
    return torch.empty((seeds.shape[0], cutouts, n), dtype=dtype, device=seeds.device)


def draw(
    seeds: Tensor, step: int | Tensor, stream: int, n: int, cutouts: int, dtype: torch.dtype, backend: str
) -> Tensor:
    """`philox` with a step that may be a Python int of any size; it is taken modulo 2**32."""
    if isinstance(step, Tensor):
        word = step.to(device=seeds.device, dtype=torch.int64)
    else:
        word = torch.full((), step & 0xFFFFFFFF, dtype=torch.int64, device=seeds.device)
    return philox(seeds, word, int(stream), n, cutouts, dtype, backend)
