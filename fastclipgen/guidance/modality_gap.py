"""From embeddings of texts to the embeddings of pictures they stand for.

CLIP puts texts and pictures into two cones of one space that hardly meet (Liang et al. 2022), so a generator that has
learned from pictures alone is out of its depth with a text. Pure functions of embeddings; what is mapped comes out with
length 1, float32. Knows nothing of where the embeddings come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError

_LEAST = 1e-6  # of the largest singular value: what is smaller says nothing about the rotation


@dataclass(frozen=True, eq=False)
class Bridge:
    """A rigid map of the space: the centre of the texts goes to that of the pictures, what is around it is turned.

    `texts`, `pictures`: centres, float32 [E]; `rotation` float32 [E, E], orthogonal.
    """

    texts: Tensor
    rotation: Tensor
    pictures: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Embeddings of texts [..., E] -> of pictures."""
        moved = (F.normalize(embeddings.to(self.texts), dim=-1) - self.texts) @ self.rotation + self.pictures
        return F.normalize(moved, dim=-1)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Each text as a mean of the `k` of `pictures` (embeddings [N, E]) closest to it: `nearest`."""

    pictures: Tensor
    k: int

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Embeddings of texts [K, E] -> of pictures."""
        return nearest(embeddings, self.pictures, min(self.k, len(self.pictures)))


def shift(texts: Tensor, pictures: Tensor) -> Bridge:
    """The map that moves one centre onto the other and turns nothing, from embeddings [N, E] and [M, E].

    They need not belong together: captions of any pictures and pictures of any kind will do. Raises UserError.
    """
    texts, pictures = _normalised(texts, pictures)
    rotation = torch.eye(texts.shape[1], device=texts.device)
    return Bridge(texts.mean(0).float(), rotation, pictures.mean(0).float())


def procrustes(texts: Tensor, pictures: Tensor) -> Bridge:
    """The rigid map that brings each text closest to its picture (Schoenemann 1966), from pairs [N, E] and [N, E].

    Text i must describe picture i. Directions that fewer than E pairs leave open are turned no further than they must
    be. Raises UserError.
    """
    texts, pictures = _normalised(texts, pictures)
    if len(texts) != len(pictures):
        raise UserError(
            f"Procrustes takes pairs, got {len(texts)} texts and {len(pictures)} pictures; use shift for embeddings "
            "that do not belong together"
        )
    centres = texts.mean(0), pictures.mean(0)
    cross = (texts - centres[0]).T @ (pictures - centres[1])  # [E, E]
    # a trace of the identity decides where the pairs say nothing
    size = torch.linalg.matrix_norm(cross, 2).clamp(min=torch.finfo(cross.dtype).tiny)
    left, _, right = torch.linalg.svd(cross / size + _LEAST * torch.eye(len(cross)).to(cross))
    return Bridge(centres[0].float(), (left @ right).float(), centres[1].float())


def nearest(texts: Tensor, pictures: Tensor, k: int, temperature: float = 0.01) -> Tensor:
    """Each text [K, E] as a mean of the `k` pictures of [N, E] closest to it, the closer the heavier.

    Weights are the softmax of cosine / `temperature` (0.01 is that of CLIP itself). As in kNN-Diffusion (Sheynin et al.
    2022), the result lies among embeddings of pictures by construction. Returns [K, E]. Raises UserError.
    """
    texts, pictures = _normalised(texts, pictures)
    if not 1 <= k <= len(pictures):
        raise UserError(f"k must be 1 to {len(pictures)}, the number of pictures, got {k}")
    if not temperature > 0:
        raise UserError(f"temperature must be above 0, got {temperature}")
    cosine, index = (texts @ pictures.T).topk(k)  # [K, k]
    weights = (cosine / temperature).softmax(-1)
    return F.normalize(torch.einsum("nk,nke->ne", weights, pictures[index]), dim=-1).float()


def _normalised(texts: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Both with length 1, in float64, after a look at their shapes."""
    shapes = f"{list(texts.shape)} and {list(pictures.shape)}"
    if texts.ndim != 2 or pictures.ndim != 2 or texts.shape[1] != pictures.shape[1] or not len(texts) * len(pictures):
        raise UserError(
            f"the modality gap takes embeddings [N, E] of texts and [M, E] of pictures, got {shapes}; "
            "embed both with the same CLIP"
        )
    return F.normalize(texts.double(), dim=-1), F.normalize(pictures.double(), dim=-1)
