"""Many texts through CLIP's text tower, each computed no further than its end: the same function up to rounding.

A tower whose attention looks back only gives the same at a text's end whatever stands behind it, and there CLIP fills
its 77 places with padding. Knows nothing of where the tower comes from.
"""

from __future__ import annotations

from typing import Any

import torch
from open_clip import CLIP
from torch import Tensor, nn

AT_ONCE = 64  # texts of about the same length


def fits(model: nn.Module, tokenizer: Any) -> bool:
    """Whether the tower looks back only, reads a text at its end mark, and gets zeros behind that."""
    causal = isinstance(model, CLIP) and model.attn_mask is not None and model.text_pool_type == "argmax"
    return causal and hasattr(tokenizer, "encode")  # CLIP's own tokenizer, whose end mark is its highest token


def encode(model: CLIP, tokens: Tensor) -> Tensor:
    """Tokens int64 [n, places] -> embeddings [n, E], as `model.encode_text`, for a model that `fits`.

    Texts go through the tower together with others of about their length.
    """
    ends = tokens.argmax(-1)
    found = tokens.new_empty(0)
    for rows in ends.argsort().split(AT_ONCE):
        read = _read(model, tokens[rows, : int(ends[rows].max()) + 1], ends[rows])
        if not len(found):
            found = read.new_empty(len(tokens), read.shape[1])
        found[rows] = read
    return found


def _read(model: Any, tokens: Tensor, ends: Tensor) -> Tensor:
    length = tokens.shape[1]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]  # [n, length, width]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x[torch.arange(len(x), device=x.device), ends])  # [n, width]
    if model.text_projection is None:
        return x
    return model.text_projection(x) if isinstance(model.text_projection, nn.Linear) else x @ model.text_projection
