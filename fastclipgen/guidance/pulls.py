"""Pulls: losses that draw a run towards one place, its own start or a target picture, in the latent of a generator that
has one, or by pixels.

The forms are those of VQGAN+CLIP programs. Knows nothing of how a latent becomes a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import unknown
from fastclipgen.ops.cosine_loss import spherical_of

KINDS = ("spherical", "cosine", "l2", "pixels")


@dataclass(frozen=True, eq=False)
class Pull:
    """One of KINDS, with its weight. goal [1, ...]: the latent to come close to, for "pixels" the picture [1, 3, H, W];
    None: the latent that the run began with. decays: the weight is divided by 2 * step + 1, so that it holds the start
    only. Raises UserError for an unknown kind."""

    kind: str
    weight: float
    goal: Tensor | None = None
    decays: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind of pull", self.kind, KINDS)


def needs_origin(pulls: Sequence[Pull]) -> bool:
    """Whether any of them reads the latent that the run began with."""
    return any(pull.kind != "pixels" and pull.goal is None for pull in pulls)


def distance(kind: str, values: Tensor, goal: Tensor) -> Tensor:
    """[B], of values [B, ...] to goal [B or 1, ...]: "spherical" and "cosine" between the directions of whole latents
    (2 * asin(|u - t| / 2)**2 and 1 - cos, as in `ops.cosine_loss`), "l2" the mean square, "pixels" the mean absolute
    difference."""
    values, goal = values.flatten(1), goal.flatten(1)
    if kind == "l2":
        return (values - goal).square().mean(1)
    if kind == "pixels":
        return (values - goal).abs().mean(1)
    # half the distance of the unit vectors, squared: exact where they are close, as a cosine is not
    apart = F.normalize(values, dim=1) - F.normalize(goal, dim=1)
    quarter = apart.square().sum(1) / 4
    return 2 * quarter if kind == "cosine" else spherical_of(quarter)


def pull_loss(
    pulls: Sequence[Pull], latent: Tensor | None, images: Tensor, origin: Tensor | None, step: int | Tensor
) -> Tensor:
    """Weighted sum of the pulls, [B].

    latent, origin [B, ...]: the generator's latent now and when the run began, None where no pull reads them; images
    [B, 3, H, W]: the published pictures.
    """
    loss = images.new_zeros(images.shape[0])
    for pull in pulls:
        now = images if pull.kind == "pixels" else latent
        goal = origin if pull.goal is None else pull.goal
        assert now is not None, "pulls in a latent are for generators that have one"
        assert goal is not None, "the task has an origin where pulls need it"
        found = pull.weight * distance(pull.kind, now, goal)
        loss = loss + (found / (2 * step + 1) if pull.decays else found)
    return loss
