"""What CLIP-GEN's transformer is trained by: the next token given the embedding of the picture itself.

No texts are needed, since CLIP embeds texts in the same space (language-free training, Zhou et al. 2022, LAFITE).
Pure functions; whoever trains draws the random numbers, from Philox, and picks pictures and rates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.transformer import Transformer


def next_token_loss(model: Transformer, conditions: Tensor, tokens: Tensor) -> Tensor:
    """Mean cross-entropy, 0-d float32, of every token given the condition and the tokens before it.

    conditions: CLIP embeddings [B, C]; tokens: whole pictures, int64 [B, block].
    """
    logits = model(conditions, tokens[:, :-1])  # [B, block, V]
    return F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten())


def with_noise(embeddings: Tensor, noise: Tensor, amount: float) -> Tensor:
    """Embeddings [B, E] of length 1, led astray: LAFITE's pseudo text embeddings, again of length 1.

    e' = normalise(e + amount * noise / |noise|); noise: standard normal [B, E]. A text lies off the embedding of its
    picture by about as much; amount 0 changes nothing. Raises UserError for an amount below 0.
    """
    if not amount >= 0:
        raise UserError(f"the amount of condition noise must be 0 or more, got {amount}; LAFITE takes 0.75")
    return F.normalize(embeddings + amount * F.normalize(noise, dim=-1), dim=-1)


def with_dropout(embeddings: Tensor, uniform: Tensor, share: float) -> Tensor:
    """Embeddings [B, E], about a `share` of them zero: those whose number of `uniform` [B], in [0, 1), is below it.

    So the model learns the pictures without a condition too, as classifier-free guidance needs (Ho & Salimans 2022).
    Raises UserError for a share outside 0..1.
    """
    if not 0 <= share <= 1:
        raise UserError(f"the share of conditions to drop must be 0..1, got {share}; 0.1 is usual")
    return torch.where(uniform[:, None] < share, 0.0, embeddings)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups for AdamW: the weights of linear layers decay; biases, norms, embeddings and positions do not.

    CLIP-GEN trains with weight_decay 0.01 and betas (0.9, 0.95).
    """
    linear = {module.weight for module in model.modules() if isinstance(module, nn.Linear)}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p in linear], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p not in linear], "weight_decay": 0.0},
    ]
