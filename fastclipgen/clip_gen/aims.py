"""What a picture is sampled from and ranked by: one embedding, mixed of texts and pictures by their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.clip_gen.gallery import Bridge
from fastclipgen.guidance.prompts import Prompt
from fastclipgen.guidance.targets import Aim, Encoder, Targets, build_targets, mixed


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
    others: Sequence[Aim],
    bridge: Bridge | None,
    device: torch.device,
) -> Aims:
    """The aims of B pictures with these prompts, each with the same negative prompts and other aims.

    bridge: texts' embeddings -> pictures'. Raises UserError as `build_targets` does, and where the parts of a mix
    cancel out.
    """
    [targets] = build_targets([perceptor], prompts, [negatives] * len(prompts), [others] * len(prompts), device=device)
    given = targets.embeddings  # [B, P, E]
    texts = [len(own) + len(negatives) for own in prompts]
    if bridge is not None:
        places = torch.arange(given.shape[1], device=device)
        is_text = places < torch.tensor(texts, device=device)[:, None]  # [B, P]; texts come first
        crossed = bridge(given[is_text].to(torch.float32)).to(given)
        given = given.clone()
        given[is_text] = crossed
    counts = [count + len(others) for count in texts]
    return Aims(mixed(given, targets.weights), mixed(targets.embeddings, targets.weights), targets, counts)
