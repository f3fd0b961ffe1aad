"""One token out of logits: temperature, top-k, top-p (Holtzman et al. 2019), and a draw by the inverse of the
cumulative distribution, from one uniform number. Pure functions of tensors that never wait for the host.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fastclipgen.errors import UserError


@dataclass(frozen=True)
class Choice:
    """How a token is chosen; the defaults are those of CLIP-GEN's demo.

    temperature: logits are divided by it; 0 takes the likeliest token, whatever else is set.
    top_k: only so many of the likeliest tokens can be drawn; 0: all of them.
    top_p: of these, likeliest first, only as many as it takes to exceed this share of their probability; 1: all.
    guidance: classifier-free guidance (Ho & Salimans 2022), the logits are those without the condition plus so many
    times what the condition changes; 1: as they are. It needs a model that was trained with condition dropout.
    """

    temperature: float = 1.0
    top_k: int = 500
    top_p: float = 0.95
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UserError(f"temperature must be 0 or more, got {self.temperature}; 1 leaves the model as it is")
        if self.top_k < 0:
            raise UserError(f"top_k must be 0 (all tokens) or more, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p must be above 0 and at most 1 (all tokens), got {self.top_p}")
        if not math.isfinite(self.guidance):
            raise UserError(f"guidance must be a finite number, got {self.guidance}; 1 turns it off")

    @property
    def guided(self) -> bool:
        """Whether logits without the condition are needed too."""
        return self.guidance != 1.0


def guide(logits: Tensor, choice: Choice) -> Tensor:
    """Guided logits [B, V] out of [2B, V]: first those with the condition, then those without."""
    given, bare = logits.chunk(2)
    return torch.lerp(bare, given, choice.guidance)


def choose(logits: Tensor, uniform: Tensor, choice: Choice) -> Tensor:
    """Tokens int64 [B] from logits float32 [B, V] and uniform numbers float32 [B] in [0, 1), one for each row.

    The order is CLIP-GEN's: temperature, top-k, then top-p of what top-k left. Tokens lie on the unit line in order of
    falling probability.
    """
    if choice.temperature == 0:
        return logits.argmax(-1)
    vocabulary = logits.shape[-1]
    kept = min(choice.top_k, vocabulary) if choice.top_k else vocabulary
    best, order = (logits / choice.temperature).topk(kept, sorted=True)
    weight = best.softmax(-1)  # [B, K], falling
    if choice.top_p < 1:
        before = weight.cumsum(-1).roll(1, -1)  # of the likelier tokens
        before[:, 0] = 0.0
        weight = weight.where(before <= choice.top_p, 0.0)
    return order.gather(-1, rank(weight, uniform)[:, None])[:, 0]


def rank(weight: Tensor, uniform: Tensor) -> Tensor:
    """Places int64 [B] in rows of weights float32 [B, K], drawn in proportion to the weights; never one of weight 0."""
    below = weight.cumsum(-1)
    # less than the total for every number below 1 that philox gives (24 bits), so the count ends at a weight above 0
    aim = uniform[:, None] * below[:, -1:]
    return (below <= aim).sum(-1)
