"""What a picture is sampled from and ranked by: one embedding, mixed of texts and pictures by their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.clip_gen.gallery import Bridge
from fastclipgen.errors import UserError
from fastclipgen.guidance.prompts import Prompt
from fastclipgen.guidance.targets import Encoder, ImageTarget, Targets, build_targets

_LEAST = 1e-3  # length of a sum of unit vectors, below which its direction is chance


class Aims(NamedTuple):
    """Of B pictures. conditions [B, E], of length 1: what the transformer gets. wanted [B, E], of length 1: what the
    candidates are compared with, without a bridge. targets: every prompt by itself, for the record; counts: how many
    each picture has, before padding."""

    conditions: Tensor
    wanted: Tensor
    targets: Targets
    counts: list[int]


def aim(
    perceptor: Encoder,
    prompts: Sequence[Sequence[Prompt]],
    negatives: Sequence[Prompt],
    images: Sequence[ImageTarget],
    bridge: Bridge | None,
    device: torch.device,
) -> Aims:
    """The aims of B pictures with these prompts, each with the same negative prompts and image prompts.

    bridge: texts' embeddings -> pictures'. Raises UserError as `build_targets` does, and where the parts of a mix
    cancel out.
    """
    [targets] = build_targets([perceptor], prompts, [negatives] * len(prompts), [images] * len(prompts), device=device)
    given = targets.embeddings  # [B, P, E]
    texts = [len(own) + len(negatives) for own in prompts]
    if bridge is not None:
        places = torch.arange(given.shape[1], device=device)
        is_text = places < torch.tensor(texts, device=device)[:, None]  # [B, P]; texts come first
        crossed = bridge(given[is_text].to(torch.float32)).to(given)
        given = given.clone()
        given[is_text] = crossed
    counts = [count + len(images) for count in texts]
    return Aims(_mixed(given, targets.weights), _mixed(targets.embeddings, targets.weights), targets, counts)


def _mixed(embeddings: Tensor, weights: Tensor) -> Tensor:
    """The directions [B, E] of weighted sums of embeddings [B, P, E]; once a run, so the host may wait."""
    total = torch.einsum("bpe,bp->be", embeddings, weights / weights.abs().sum(1, keepdim=True))
    if bool((total.norm(dim=-1) < _LEAST).any()):
        raise UserError("the prompts of a picture cancel each other out; change their weights, or leave one out")
    return F.normalize(total, dim=-1)
