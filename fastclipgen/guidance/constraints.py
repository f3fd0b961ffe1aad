"""Constraints: losses on the picture itself, without a perceptor, written NAME[:WEIGHT] as in "tv:0.2".

To add one: write a function `(images [B,3,H,W], start [B,3,H,W]) -> [B]` (a mean over the picture, so that the weight
means the same at every size), enter it in `LOSSES`, add it to `NEEDS_START` if it reads `start`, and give it a test
with literal values in tests/guidance/test_constraints.py. It must be differentiable, act on each picture alone, and
wait for nothing on the host. Knows nothing of prompts or steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from fastclipgen.errors import UserError, unknown
from fastclipgen.guidance.prompts import MAX_WEIGHT

SMOOTHED = 6e-4  # differences well below a grey level; a root has no slope at 0
RANGE_MARGIN = 0.02  # about 5 of 255: nearer to black or white than this, clamps and sigmoids lose their gradient


@dataclass(frozen=True)
class Constraint:
    """A known loss and its weight. Raises UserError for an unknown name or a weight that is not finite."""

    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise unknown("constraint", self.name, LOSSES)
        if not abs(self.weight) <= MAX_WEIGHT:  # written so that NaN fails too
            raise UserError(
                f"expected a weight between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g} for constraint '{self.name}', "
                f"got {self.weight}; write for example '{self.name}:0.5'"
            )


def tv(images: Tensor, start: Tensor) -> Tensor:
    """Total variation: mean absolute difference of vertical neighbours plus that of horizontal ones; smooths."""
    down = (images[..., 1:, :] - images[..., :-1, :]).abs()
    right = (images[..., 1:] - images[..., :-1]).abs()
    return sum_over(down) / max(down[0].numel(), 1) + sum_over(right) / max(right[0].numel(), 1)


def colour_tv(images: Tensor, start: Tensor) -> Tensor:
    """Vectorial total variation: mean length of each pixel's differences to the pixel below and the one to the right,
    over all channels, as much as `tv` for a grey edge along an axis. Channels that change together cost less than
    channels that change apart, so outlines get no fringes in other colours (Bresson & Chan, "Fast dual minimization of
    the vectorial total variation norm", 2008)."""
    padded = F.pad(images, (0, 1, 0, 1), mode="replicate")
    down, right = padded[..., 1:, :-1] - images, padded[..., :-1, 1:] - images
    squares = (down.square() + right.square()).mean(1)
    return ((squares + SMOOTHED**2).sqrt() - SMOOTHED).mean((1, 2))


def l1(images: Tensor, start: Tensor) -> Tensor:
    """Mean absolute difference to the start picture."""
    return (images - start).abs().mean((1, 2, 3))


def l2(images: Tensor, start: Tensor) -> Tensor:
    """Mean squared difference to the start picture."""
    return (images - start).square().mean((1, 2, 3))


def saturation(images: Tensor, start: Tensor) -> Tensor:
    """Mean absolute distance of the channels from their mean; greys the picture (weight < 0: makes it colourful)."""
    return (images - images.mean(1, keepdim=True)).abs().mean((1, 2, 3))


def value_range(images: Tensor, start: Tensor) -> Tensor:
    """Mean distance of the values from RANGE_MARGIN..1-RANGE_MARGIN; keeps them off the ends, and inside 0..1."""
    return (F.relu(RANGE_MARGIN - images) + F.relu(images - (1 - RANGE_MARGIN))).mean((1, 2, 3))


def sum_over(values: Tensor) -> Tensor:
    """Sum over everything but the batch."""
    return values.sum((1, 2, 3))


Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "tv": tv,
    "colour_tv": colour_tv,
    "l1": l1,
    "l2": l2,
    "saturation": saturation,
    "range": value_range,
}
NEEDS_START = frozenset({"l1", "l2"})


def parse_constraint(source: str) -> Constraint:
    """NAME[:WEIGHT], weight 1 by default. Raises UserError for an unknown name or a weight that is no number."""
    name, colon, weight = source.strip().partition(":")
    if not colon:
        return Constraint(name.strip())
    try:
        return Constraint(name.strip(), float(weight))
    except ValueError:
        raise UserError(
            f"expected NAME[:WEIGHT] with a number as weight, got '{source}' as constraint; write for example 'tv:0.2'"
        ) from None


def needs_start(constraints: Sequence[Constraint]) -> bool:
    """Whether any of them compares with the start picture."""
    return any(constraint.name in NEEDS_START for constraint in constraints)


def total(constraints: Sequence[Constraint], images: Tensor, start: Tensor | None = None) -> Tensor:
    """Weighted sum of the constraints [B] for images [B,3,H,W]; zeros when there are none.

    `start` [B,3,H,W]: the pictures the run began with (the start picture, or what the first parameters show). Raises
    UserError when it is None and a constraint needs it.
    """
    if start is None and needs_start(constraints):
        raise UserError("constraints l1 and l2 compare with the start picture, but there is none; give a start picture")
    reference = images if start is None else start
    loss = images.new_zeros(images.shape[0])
    for constraint in constraints:
        loss = loss + constraint.weight * LOSSES[constraint.name](images, reference)
    return loss
