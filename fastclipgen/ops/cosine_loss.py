"""How far views are from what prompts ask for, with weights and stops. It knows nothing of texts or perceptors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fastclipgen.errors import UserError, unknown
from fastclipgen.ops import cosine_loss_kernels, library
from fastclipgen.ops.cosine_loss_kernels import KINDS

# asin(sqrt(q))**2 = q + q**2/3 + 8*q**3/45 + 4*q**4/35 + ...: used near q = 0, where sqrt has no finite slope.
_SERIES_BELOW = 1e-3
# At q = 1 (opposite directions) the slope of asin is infinite; below this bound it is finite.
_LARGEST_Q = 1.0 - 1e-6


def reference(
    embeddings: Tensor,
    targets: Tensor,
    weights: Tensor,
    stops: Tensor,
    kind: str = "spherical",
    *,
    active: Tensor | None = None,
    prompt_mean: bool = False,
    scale: float | Tensor = 1.0,
    total: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`cosine_loss` in plain torch, without its checks: on any device, differentiable by everything and repeatedly.

    Computes in float32, for float64 embeddings in float64.
    """
    dtype = torch.float64 if embeddings.dtype == torch.float64 else torch.float32
    weights, stops = weights.to(dtype), stops.to(dtype)[:, None]  # [B, P], [B, 1, P]
    if active is not None:
        weights = torch.where(active, weights, 0.0)
    units = functional.normalize(embeddings.to(dtype), dim=-1)
    asked = functional.normalize(targets.to(dtype), dim=-1)
    cosines = torch.bmm(units, asked.transpose(1, 2))  # [B, N, P]
    signed = _distances(kind, cosines, units, asked) * torch.sign(weights)[:, None]
    signed = torch.where(signed > stops, signed, signed.detach())
    loss = (signed.mean(1) * weights.abs()).sum(-1)
    if prompt_mean:
        loss = loss / (weights != 0).sum(1).clamp_min(1)
    loss = loss * (scale.to(dtype) if isinstance(scale, Tensor) else scale)
    return loss if total is None else total.to(dtype) + loss, cosines.detach()


def _distances(kind: str, cosines: Tensor, units: Tensor, asked: Tensor) -> Tensor:
    """[B, N, P], of units [B, N, E] to asked [B, P, E]."""
    if kind == "cosine":
        return 1.0 - cosines
    if kind == "spherical":
        return spherical_of(0.5 - 0.5 * cosines)
    apart = units[:, :, None] - asked[:, None]  # [B, N, P, E]
    return apart.abs().sum(-1) if kind == "l1" else torch.linalg.vector_norm(apart, dim=-1)


def spherical_of(q: Tensor) -> Tensor:
    """2 * asin(|u - t| / 2)**2 of q = |u - t|**2 / 4 = (1 - cos) / 2, u and t unit vectors; of any shape, with a finite
    gradient everywhere."""
    q = torch.where(q < 0.0, 0.0, torch.where(q > _LARGEST_Q, _LARGEST_Q, q))
    near = q < _SERIES_BELOW
    series = q * (1.0 + q * (1.0 / 3.0 + q * (8.0 / 45.0 + q * (4.0 / 35.0))))
    # The other branch must stay finite where it is not taken, or its gradient would be 0 * inf.
    angle = torch.asin(torch.sqrt(torch.where(near, _SERIES_BELOW, q)))
    return 2.0 * torch.where(near, series, angle * angle)


def cosine_loss(
    embeddings: Tensor,
    targets: Tensor,
    weights: Tensor,
    stops: Tensor,
    kind: str = "spherical",
    *,
    active: Tensor | None = None,
    prompt_mean: bool = False,
    scale: float | Tensor = 1.0,
    total: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The prompt loss of each picture and how similar each of its views is to each prompt.

    embeddings [B, N, E] of N views, targets [B, P, E] of P prompts: any float dtype, any length (they are normalised).
    weights [B, P]: negative repels, 0 pads. stops [B, P]: -inf never stops.
    kind, for the unit vectors u of a view and t of a prompt:
    "cosine": d = 1 - cos. "spherical": d = 2 * asin(|u - t| / 2)**2 (K. Crowson's VQGAN+CLIP prompt loss).
    "l1": d = sum of |u - t|. "l2": d = |u - t|, the Euclidean distance. Their gradient is finite where they have a
    kink, 0 where u = t exactly.
    active bool [B, P]: False makes a weight 0. prompt_mean: divide by the number of weights that are not 0.
    scale (a number, a tensor without dimensions, or [B]) multiplies the loss, and total [B], such as the loss for other
    perceptors, is added to it: both at no cost, and total passes its gradient on.
    With d' = d * sign(weight): loss = total + scale * sum over prompts of |weight| * mean over views of d', whose
    gradient flows only through views with d' > stop; the value is unaffected by the stop.
    Returns loss [B] and similarities [B, N, P] (cosines, without gradient), float32; float64 for float64 embeddings.
    The compiled backends differentiate by embeddings and total, once; where targets, weights, stops or scale require a
    gradient, and for float64, the plain version computes.
    Raises UserError for shapes, dtypes or devices that do not match and unknown kinds.
    """
    _check(embeddings, targets, weights, stops, kind)
    if active is not None or total is not None or isinstance(scale, Tensor):
        _check_options(embeddings, targets, active, scale, total)
    backend = library.choose("cosine_loss", embeddings.device)
    if backend == "reference" or not _compiled(embeddings, targets, weights, stops, scale):
        return reference(
            embeddings, targets, weights, stops, kind, active=active, prompt_mean=prompt_mean, scale=scale, total=total
        )
    return cosine_loss_kernels.cosine_loss(
        embeddings, targets, weights, stops, kind, active, prompt_mean, scale, total, backend
    )


def _compiled(embeddings: Tensor, targets: Tensor, weights: Tensor, stops: Tensor, scale: float | Tensor) -> bool:
    """Whether the compiled backends serve these arguments."""
    if embeddings.dtype not in cosine_loss_kernels.DTYPES:
        return False
    frozen = not (targets.requires_grad or weights.requires_grad or stops.requires_grad)
    return frozen and not (isinstance(scale, Tensor) and scale.requires_grad)


def _check(embeddings: Tensor, targets: Tensor, weights: Tensor, stops: Tensor, kind: str) -> None:
    if kind not in KINDS:
        raise unknown("loss", kind, KINDS)
    if embeddings.ndim != 3 or targets.ndim != 3:
        raise UserError(
            "cosine loss: expected embeddings [pictures, views, features] and targets [pictures, prompts, features], "
            f"got {list(embeddings.shape)} and {list(targets.shape)}"
        )
    (batch, views, features), (pictures, prompts, width) = embeddings.shape, targets.shape
    if batch != pictures or features != width:
        raise UserError(
            f"cosine loss: embeddings {list(embeddings.shape)} and targets {list(targets.shape)} must agree in the "
            "first and last size (pictures, features); targets belong to the perceptor that made the embeddings"
        )
    if views == 0:
        raise UserError("cosine loss: expected embeddings of at least one view of each picture, got none")
    device = embeddings.device
    _check_one("weights", weights, (batch, prompts), "[pictures, prompts]", device)
    _check_one("stops", stops, (batch, prompts), "[pictures, prompts]", device)
    if targets.device != device:
        _check_one("targets", targets, targets.shape, "", device)


def _check_options(
    embeddings: Tensor, targets: Tensor, active: Tensor | None, scale: float | Tensor, total: Tensor | None
) -> None:
    (batch, prompts), device = targets.shape[:2], embeddings.device
    if active is not None:
        _check_one("active", active, (batch, prompts), "[pictures, prompts]", device)
        if active.dtype != torch.bool:
            raise UserError(f"cosine loss: active must be a bool tensor, got {active.dtype}; compare it with something")
    if isinstance(scale, Tensor) and scale.ndim > 0:
        _check_one("scale", scale, (batch,), "[pictures] or have no dimensions", device)
    elif isinstance(scale, Tensor):
        _check_one("scale", scale, (), "", device)
    if total is not None:
        _check_one("total", total, (batch,), "[pictures]", device)


def _check_one(name: str, values: Tensor, shape: tuple[int, ...], meaning: str, device: torch.device) -> None:
    if values.shape != shape:
        raise UserError(f"cosine loss: {name} must be {list(shape)} {meaning}, got {list(values.shape)}")
    if values.device != device:
        raise UserError(f"cosine loss: {name} must be on {device}, where the embeddings are, got {values.device}")
