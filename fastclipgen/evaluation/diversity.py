"""How unlike each other the pictures of a set are. Knows neither networks nor files: tensors in, numbers out.

All are means over pairs of different pictures, and none goes through the pairs: sums over the set say the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def spread(features: Tensor) -> float | None:
    """The mean of 1 - cosine over all pairs of features [N, E], 0..2, in float64; None for fewer than two."""
    count = len(features)
    if count < 2:
        return None
    total = F.normalize(features.double(), dim=1).sum(0).square().sum()
    return float(1 - (total - count) / (count * (count - 1)))


def spread_within(features: Tensor, groups: Tensor) -> float | None:
    """The mean over groups of the `spread` in each; groups: int64 [N], e.g. the number of a picture's prompt.

    Groups of one picture say nothing and are left out; None where all are such.
    """
    found = [spread(features[groups == group]) for group in torch.unique(groups)]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def difference(values: Tensor) -> float | None:
    """The root of the mean squared difference of two pictures, per value, over all pairs of small pictures [N, D] in
    0..1, in float64; None for fewer than two."""
    if len(values) < 2:
        return None
    # the mean squared difference of two draws is twice their variance
    return float((2 * values.double().var(0)).mean().sqrt())
