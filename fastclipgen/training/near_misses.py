"""Pictures that fool the guide: random pictures of the VAE that score best for a caption which is not true of them.

They are what ascent through the VAE would end in, so the CLIP is trained against them. What such a picture shows is
known: the VAE draws from parts (a colour, a place, an outline ...), and a part that is neither one thing nor another
makes no statement true.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.palette import TABLE, to_lab
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.generators.vae import Vae
from fastclipgen.models.layered_vae import SIDE, Parts

UNCLEAR = -2  # a fact that no statement matches
SURE = 0.85  # probability from which a soft choice counts as made
CLOSE = 20.0  # L*a*b* distance up to which a colour has a name
TINT = 0.10  # change of a channel over the picture up to which a ground is plain


class Painter:
    """The generator `vae` at the size of training, and what its pictures show. Latents are whitened ones, [n, 64]."""

    def __init__(self) -> None:
        self.vae = Vae(SIDE, SIDE)

    def draw(self, latents: Tensor) -> Tensor:
        """Pictures [n, 3, 64, 64] in 0..1."""
        return self.vae({"w": latents})

    @torch.no_grad()
    def facts(self, latents: Tensor) -> np.ndarray:
        """What the pictures show: int64 [n, 11], UNCLEAR where a part is."""
        return facts_of(self.vae.vae.decoder.parts(self.vae.latents({"w": latents})))

    def shorten(self, latents: Tensor) -> Tensor:
        """No longer than the generator lets them become."""
        return self.vae.project({"w": latents})["w"]


def facts_of(parts: Parts) -> np.ndarray:
    """What is drawn, as `shapes_scene.FACTS` say it; int64 [n, 11]."""
    n = len(parts.ground)
    rows = np.arange(n)
    present = parts.present.sigmoid().numpy()
    order = np.argsort(-present, axis=1, kind="stable")  # the only object first, whichever slot draws it
    two = present.min(1) > SURE
    order[two] = [0, 1]
    clear = ((present > SURE) | (present < 1 - SURE)).all(1) & (present.max(1) > SURE)
    objects = np.where(clear, np.where(two, 2, 1), UNCLEAR)
    shape = _choice(parts.outline_choice.numpy(), len(SHAPES))
    colour = _named(parts.ink.numpy())
    centre, radius = parts.centre.numpy(), parts.log_radius.exp().numpy()
    first, second = order[:, 0], order[:, 1]
    size = np.digitize(radius[rows, first], [0.2, 0.315])
    cell = np.clip(np.rint((centre[rows, first] - 0.5) / 0.26).astype(np.int64), -1, 1) + 1
    place = np.where(size == 2, 4, cell[:, 1] * 3 + cell[:, 0])
    apart = np.abs(centre[:, 1] - centre[:, 0])
    axis = np.where(apart[:, 0] > apart[:, 1], 0, 1)

    number = _choice(parts.pattern_choice.numpy(), parts.pattern_choice.shape[1])
    kind = np.select(
        [number == UNCLEAR, number == 0, number < 10, number < 13, number < 16], [UNCLEAR, 0, 2, 3, 4], UNCLEAR
    )
    ground = parts.ground.numpy()  # [n, colour, (constant, along x, along y)]
    change = np.abs(ground[:, :, 1:]).sum(2).max(1)
    kind = np.where((kind == 0) & (change > 3 * TINT), 1, np.where((kind >= 0) & (change > TINT), UNCLEAR, kind))
    half = ground[:, :, 1:].sum(2) * 0.5
    low, high = _named(ground[:, :, 0] - half), _named(ground[:, :, 0] + half)
    base, other = _named(ground[:, :, 0]), _named(parts.second.numpy())
    ends = np.where((kind == 1)[:, None], np.stack([low, high], 1), np.stack([base, other], 1))
    ordered = np.where(np.isin(kind, [1, 2, 4])[:, None], np.sort(ends, axis=1), ends)
    absent = np.full(n, -1)
    return np.stack([
        objects, shape[rows, first], colour[rows, first], np.where(two, -1, size), np.where(two, -1, place),
        np.where(two, shape[rows, second], absent), np.where(two, colour[rows, second], absent),
        np.where(two, axis, absent), kind, ordered[:, 0], np.where(kind == 0, -1, ordered[:, 1]),
    ], 1)  # fmt: skip


def _choice(logits: np.ndarray, known: int) -> np.ndarray:
    """The most likely entry where it is sure and among the first `known`, else UNCLEAR."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    probability = shifted / shifted.sum(-1, keepdims=True)
    best = probability.argmax(-1)
    return np.where((probability.max(-1) > SURE) & (best < known), best, UNCLEAR)


def _named(rgb: np.ndarray) -> np.ndarray:
    """Index of the named colour that is close to each colour [..., 3], else UNCLEAR."""
    distance = np.linalg.norm(to_lab(np.clip(rgb, 0, 1))[..., None, :] - to_lab(TABLE), axis=-1)
    return np.where(distance.min(-1) < CLOSE, distance.argmin(-1), UNCLEAR)


def hardest(similarity: Tensor, true: Tensor, count: int) -> Tensor:
    """The rows of up to `count` pictures that fool most: each of `count` captions' best picture that is not true of it.

    similarity and true: [captions, pictures]. Returns distinct int64 indices of pictures.
    """
    wrong = similarity.masked_fill(true, -math.inf)
    return wrong[:count].argmax(1).unique()
