"""Aims that are neither a text nor one picture: labels, several pictures, noise, and directions from a file.

The first three are clipit's labels, image labels and noise prompts, the last pixray's vector prompts. Opens no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.guidance.targets import Encoder, encode_picture, encode_texts
from fastclipgen.ops.philox import Stream, normals

# The seven of the 80 ImageNet prompts that CLIP's authors found to do nearly as well as all of them.
TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
NEVER = -float("inf")


@dataclass(frozen=True)
class Label:
    """A thing as CLIP classifies it: the mean of its embeddings in TEMPLATES."""

    text: str
    weight: float = 1.0
    stop: float = NEVER

    def embed(self, perceptor: Encoder, device: torch.device | str) -> Tensor:
        return F.normalize(encode_texts(perceptor, [t.format(self.text) for t in TEMPLATES]).mean(0), dim=0).to(device)


@dataclass(frozen=True, eq=False)
class ImageLabel:
    """What several pictures [3,H,W] in 0..1 have in common: the mean of their embeddings."""

    images: Sequence[Tensor]
    weight: float = 1.0
    stop: float = NEVER

    def embed(self, perceptor: Encoder, device: torch.device | str) -> Tensor:
        found = [encode_picture(perceptor, image.to(device)) for image in self.images]
        return F.normalize(torch.stack(found).mean(0), dim=0)


@dataclass(frozen=True)
class Noise:
    """A random direction, the same for every perceptor whose embeddings are as long."""

    seed: int
    weight: float = 1.0
    stop: float = NEVER

    def embed(self, perceptor: Encoder, device: torch.device | str) -> Tensor:
        width = encode_texts(perceptor, ["noise"]).shape[1]
        seeds = torch.tensor([self.seed], dtype=torch.int64, device=device)
        return F.normalize(normals(seeds, 0, Stream.PROMPT, width)[0, 0], dim=0)


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction for each perceptor: `vectors` [K,E] by the names of perceptors, of which the mean is taken; names may
    differ in case and punctuation. `source` is for the message of the UserError where a perceptor has none."""

    vectors: Mapping[str, Tensor]
    source: str
    weight: float = 1.0
    stop: float = NEVER

    def embed(self, perceptor: Encoder, device: torch.device | str) -> Tensor:
        width = encode_texts(perceptor, ["direction"]).shape[1]
        name = str(getattr(perceptor, "name", type(perceptor).__name__))
        by_key = {_key(known): rows for known, rows in self.vectors.items()}
        # a name may say which weights it has behind the architecture: 'ViT-B-32 openai' finds 'ViT-B/32'
        found = next((by_key[_key(part)] for part in (name, name.split()[0]) if _key(part) in by_key), None)
        if found is None:
            raise UserError(
                f"'{self.source}' has no direction for CLIP '{name}' (it has {', '.join(sorted(self.vectors))}); "
                "choose one of them with --clip, or leave the vector prompt out"
            )
        if found.shape[1] != width:
            raise UserError(
                f"the directions for CLIP '{name}' in '{self.source}' have {found.shape[1]} numbers, its embeddings "
                f"have {width}; make them with this model"
            )
        return F.normalize(F.normalize(found.to(device, torch.float32), dim=1).mean(0), dim=0)


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
