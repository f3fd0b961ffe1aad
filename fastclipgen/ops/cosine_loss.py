"""How far views are from what prompts ask for, with weights and stops. It knows nothing of texts or perceptors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.errors import UserError, unknown

KINDS = ("cosine", "spherical")

# asin(sqrt(q))**2 = q + q**2/3 + 8*q**3/45 + 4*q**4/35 + ...: used near q = 0, where sqrt has no finite slope.
_SERIES_BELOW = 1e-3
# At q = 1 (opposite directions) the slope of asin is infinite; below this bound it is finite.
_LARGEST_Q = 1.0 - 1e-6


def cosine_loss(
    embeddings: Tensor, targets: Tensor, weights: Tensor, stops: Tensor, kind: str = "spherical"
) -> tuple[Tensor, Tensor]:
    """The prompt loss of each picture and how similar its views are to each prompt.

    embeddings [B, N, E] of N views, targets [B, P, E] of P prompts: any float dtype, any length (they are normalised).
    weights [B, P]: negative repels, 0 pads. stops [B, P]: -inf never stops.
    kind "cosine": d = 1 - cos. kind "spherical": d = 2 * asin(|u - t| / 2)**2 (K. Crowson's VQGAN+CLIP prompt loss).
    With d' = d * sign(weight): loss = sum over prompts of |weight| * mean over views of d', whose gradient flows only
    through views with d' > stop; the value is unaffected by the stop.
    Returns loss [B] and similarities [B, P] (mean cosine over views, detached), float32; float64 for such embeddings.
    Raises UserError for shapes that do not match and unknown kinds.
    """
    _check(embeddings, targets, weights, stops, kind)
    dtype = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
    weights, stops = weights.to(dtype)[:, None], stops.to(dtype)[:, None]  # [B, 1, P]
    units = functional.normalize(embeddings.to(dtype), dim=-1)
    asked = functional.normalize(targets.to(dtype), dim=-1)
    cosines = torch.bmm(units, asked.transpose(1, 2))  # [B, N, P]
    distances = 1.0 - cosines if kind == "cosine" else _spherical(cosines)
    signed = distances * torch.sign(weights)
    signed = torch.where(signed > stops, signed, signed.detach())
    loss = (signed.mean(1) * weights[:, 0].abs()).sum(-1)
    return loss, cosines.detach().mean(1)


def _spherical(cosines: Tensor) -> Tensor:
    """2 * asin(|u - t| / 2)**2 for unit vectors: |u - t|**2 / 4 = (1 - cos) / 2."""
    q = 0.5 - 0.5 * cosines
    q = torch.where(q < 0.0, 0.0, torch.where(q > _LARGEST_Q, _LARGEST_Q, q))
    near = q < _SERIES_BELOW
    series = q * (1.0 + q * (1.0 / 3.0 + q * (8.0 / 45.0 + q * (4.0 / 35.0))))
    # The other branch must stay finite where it is not taken, or its gradient would be 0 * inf.
    angle = torch.asin(torch.sqrt(torch.where(near, _SERIES_BELOW, q)))
    return 2.0 * torch.where(near, series, angle * angle)


def _check(embeddings: Tensor, targets: Tensor, weights: Tensor, stops: Tensor, kind: str) -> None:
    if kind not in KINDS:
        raise unknown("loss", kind, KINDS)
    if embeddings.ndim != 3 or targets.ndim != 3:
        raise UserError(
            "cosine loss: expected embeddings [pictures, views, features] and targets [pictures, prompts, features], "
            f"got {list(embeddings.shape)} and {list(targets.shape)}"
        )
    if embeddings.shape[0] != targets.shape[0] or embeddings.shape[2] != targets.shape[2]:
        raise UserError(
            f"cosine loss: embeddings {list(embeddings.shape)} and targets {list(targets.shape)} must agree in the "
            "first and last size (pictures, features); targets belong to the perceptor that made the embeddings"
        )
    for name, values in (("weights", weights), ("stops", stops)):
        if values.shape != targets.shape[:2]:
            raise UserError(
                f"cosine loss: {name} must be {list(targets.shape[:2])} (pictures, prompts), got {list(values.shape)}"
            )
