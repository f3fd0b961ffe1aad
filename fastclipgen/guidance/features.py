"""The loss of a target of CLIPig's grammar: how far the embeddings of its frames are from the features it asks for.

B pictures with N frames each, F features for each picture; everything is of one perceptor. What is the same for a whole
run is plain Python (the losses' kinds, `select`), what changes with epochs and frames is tensors: one graph serves all
epochs, and nothing waits for the host. Knows no texts, perceptors, schedules or constraints.

A similarity never carries a gradient: weights, scales and choices made of it are constants of the step, as in CLIPig,
which turns it into a Python number. The gradient of the loss is that of the distances alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fastclipgen.ops.cosine_loss import cosine_loss

KINDS = {"cosine": "cosine", "l1": "l1", "mae": "l1", "l2": "l2", "mse": "l2"}
"""How a distance may be written, and what it is; in lower case."""

SELECTS = ("all", "best", "worst", "mix")
_LEAST_WEIGHT = 1e-30  # of all features together, so that shares of nothing are 0
LEAST_SIMILARITY = 1.0  # of 100: whatever is less similar than this counts as this for "fair"


class FeatureLoss(NamedTuple):
    """What a target's features come to, float32 (float64 for such embeddings).

    loss [B, N]: of each frame. similarities [B, N, F]: 100 * cosine * auto_scale * scale, no gradient. used: bool
    [B, N, F], which features the loss of a frame is made of. parts [B, N, F], no gradient: what each adds to the loss;
    of "mix", which has one loss for all, its share by the size of its weight.
    """

    loss: Tensor
    similarities: Tensor
    used: Tensor
    parts: Tensor


def similarity(seen: Tensor, features: Tensor) -> Tensor:
    """100 * cosine of embeddings [B, N, E] with features [B, F, E], of any length: [B, N, F] in -100..100, no gradient.

    What expressions call `similarity`, before scales; for weights and scales that depend on it.
    """
    with torch.no_grad():
        return 100.0 * torch.bmm(_unit(seen), _unit(features).transpose(1, 2))


def mean_similarity(similarities: Tensor) -> Tensor:
    """[B, N, F] -> [B, N]: what the expressions of a target's weight and constraints call `similarity`: the mean over
    all features, those outside their times too, as in CLIPig; 0 where there are none."""
    return similarities.sum(-1) / max(similarities.shape[-1], 1)


def fair_scales(similarities: Tensor) -> Tensor:
    """Similarities [B, F] of the initial pictures -> scales [B, F] (feature_scale "fair"): with them all features are
    as similar to it as the least similar one, whose scale is 1, so that `best` and `worst` choose by what has changed.

    The reciprocals over their maximum; similarities below LEAST_SIMILARITY, where a reciprocal is huge or negative,
    count as that. No gradient.
    """
    if similarities.shape[1] == 0:
        return similarities.detach()
    bounded = similarities.detach().clamp_min(LEAST_SIMILARITY)
    return bounded.amin(1, keepdim=True) / bounded


def target_loss(
    seen: Tensor,
    features: Tensor,
    weights: Tensor,
    scales: Tensor,
    auto_scale: Tensor,
    kinds: Sequence[str],
    active: Tensor,
    select: str,
) -> FeatureLoss:
    """The loss of every frame, from the embeddings of frames and features; both are normalised.

    seen [B, N, E]: float of any kind. features [B, F, E]. weights [B, N, F]: negative repels. scales [B, N, F] and
    auto_scale [B, F] multiply similarities, nothing else. kinds: of each feature, a value of KINDS. active: bool
    [B or 1, F], False is as if the feature were not there. select: one of SELECTS.

    With unit vectors x of the frame and y of a feature, the distances are "cosine": 1 - cos; "l1": 100 * mean|x - y|;
    "l2": 100 * mean (x - y)**2.
    "all": the sum of weight * distance over active features. "best", "worst": weight * distance of the active feature
    with the highest or lowest similarity, the first of several alike. "mix": the distance, by the first feature's kind,
    to sum(weight * y) / sum|weight| over active features, which is not normalised again (1 - cos does not mind).
    No active feature, or for "mix" none with a weight: the loss is 0 and has no gradient.
    """
    frames, count = seen.shape[1], features.shape[1]
    weights = torch.where(active[:, None], weights.detach(), 0.0)  # [B, N, F]
    shown = 100.0 * (auto_scale[:, None] * scales).detach()  # of a cosine
    used = active[:, None].expand(seen.shape[0], frames, count)
    if not count:
        return FeatureLoss(torch.zeros_like(seen[..., 0], dtype=_precision(seen)), shown, used, shown)
    if select == "all" and set(kinds) == {"cosine"}:
        loss, cosines = _all_by_cosine(seen, features, weights)
        return FeatureLoss(loss, shown * cosines, used, weights * (1.0 - cosines.detach()))
    seen, features = _unit(seen), _unit(features)
    cosines = torch.bmm(seen, features.transpose(1, 2))  # [B, N, F]
    similarities = shown * cosines.detach()
    if select == "mix":
        loss = _mixed(seen, features, weights, kinds[0])
        shares = weights.abs() / weights.abs().sum(-1, keepdim=True).clamp_min(_LEAST_WEIGHT)
        return FeatureLoss(loss, similarities, used, shares * loss.detach()[..., None])
    if select != "all":
        used = used & _chosen(similarities, active[:, None], select)
    parts = torch.where(used, weights, 0.0) * _distances(seen, features, cosines, kinds)
    return FeatureLoss(parts.sum(-1), similarities, used, parts.detach())


def _precision(embeddings: Tensor) -> torch.dtype:
    return torch.float64 if embeddings.dtype == torch.float64 else torch.float32


def _unit(embeddings: Tensor) -> Tensor:
    return normalize(embeddings.to(_precision(embeddings)), dim=-1)


def _all_by_cosine(seen: Tensor, features: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """loss [B, N] and cosines [B, N, F] by the fused op, to which each frame is a picture with one view, since its
    weights are its own."""
    (batch, frames, _), count = seen.shape, features.shape[1]
    never = torch.full((batch * frames, count), -torch.inf, dtype=torch.float32, device=seen.device)
    loss, cosines = cosine_loss(
        seen.flatten(0, 1)[:, None], features.repeat_interleave(frames, 0), weights.flatten(0, 1), never, "cosine"
    )
    return loss.view(batch, frames), cosines.view(batch, frames, count)


def _chosen(similarities: Tensor, active: Tensor, select: str) -> Tensor:
    """bool [B, N, F]: True for one feature of each frame."""
    if select == "best":
        place = similarities.masked_fill(~active, -torch.inf).argmax(-1, keepdim=True)
    else:
        place = similarities.masked_fill(~active, torch.inf).argmin(-1, keepdim=True)
    return torch.arange(similarities.shape[-1], device=similarities.device) == place


def _distances(seen: Tensor, features: Tensor, cosines: Tensor, kinds: Sequence[str]) -> Tensor:
    """[B, N, F] of unit vectors."""
    columns = [
        1.0 - cosines[..., place] if kind == "cosine" else _apart(seen, features[:, place, None], kind)
        for place, kind in enumerate(kinds)
    ]
    return torch.stack(columns, -1)


def _mixed(seen: Tensor, features: Tensor, weights: Tensor, kind: str) -> Tensor:
    """[B, N] of unit vectors."""
    total = weights.abs().sum(-1)  # [B, N]
    mixed = torch.bmm(weights.to(features.dtype), features) / torch.where(total > 0, total, 1.0)[..., None]  # [B, N, E]
    apart = 1.0 - (seen * normalize(mixed, dim=-1)).sum(-1) if kind == "cosine" else _apart(seen, mixed, kind)
    return torch.where(total > 0, apart, 0.0)


def _apart(seen: Tensor, wanted: Tensor, kind: str) -> Tensor:
    """100 times the mean of |x - y| or of (x - y)**2 over the last dimension."""
    apart = seen - wanted
    return 100.0 * (apart.abs() if kind == "l1" else apart.square()).mean(-1)
