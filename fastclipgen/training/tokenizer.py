"""Pictures -> tokens of a frozen VQGAN and embeddings of a frozen CLIP, and tokens -> pictures. Knows no training."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.guidance.targets import encode_views, resized
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.perceptors.base import FrozenPerceptor


class Tokenizer:
    """Both models on one device, for square pictures of `size` pixels. Raises UserError for a size that is not a
    multiple of the VQGAN's factor."""

    def __init__(self, vqgan: VQGAN, perceptor: FrozenPerceptor, size: int, device: torch.device) -> None:
        factor = vqgan.geometry.factor
        if size < factor or size % factor:
            raise UserError(f"--size must be a multiple of {factor}, the pixels of a token's side, got {size}")
        self.vqgan = vqgan.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.perceptor, self.size, self.device = perceptor.to(device, torch.float32), size, device
        self.side = size // factor
        self.length, self.vocabulary, self.width = self.side**2, vqgan.geometry.codes, perceptor.embed_dim

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [n, 3, S, S] -> tokens int64 [n, L] in rows of the picture, and embeddings float32 [n, E] of length 1.

        Both are of the same crop: as the VQGAN sees it, in -1..1, and resized and normalised for CLIP.
        """
        images = pictures.to(self.device).float().div_(255)
        return self.vqgan.choose(self.vqgan.encode(images * 2 - 1)).flatten(1), self.embed(images)

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Pictures [n, 3, s, s] in 0..1 -> embeddings float32 [n, E] of length 1."""
        return encode_views(self.perceptor, resized(images, self.perceptor.image_size))

    @torch.no_grad()
    def draw(self, tokens: Tensor) -> Tensor:
        """Tokens int64 [n, L] -> pictures float32 [n, 3, S, S] in 0..1."""
        codes = self.vqgan.codes(tokens.view(-1, self.side, self.side))
        return self.vqgan.decode(codes).float().add(1).div(2).clamp(0, 1)

    def identity(self) -> dict[str, Any]:
        """Plain values that say what tokens and embeddings follow from, but for the pictures."""
        return {
            "vqgan": fingerprint(self.vqgan),
            "clip": f"{self.perceptor.name} {fingerprint(self.perceptor.module)}",
            "size": self.size,
        }


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
