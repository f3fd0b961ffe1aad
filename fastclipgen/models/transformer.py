"""The transformer of CLIP-GEN (Wang et al. 2022): a CLIP embedding and the picture tokens before -> the next token.

A GPT-2 (Radford et al. 2019) with pre-norm blocks. Position 0 holds the projected CLIP embedding and position k the
embedding of token k - 1, so the logits at position k are those of token k. `forward` looks at whole pictures, `decode`
at one position over a cache of keys and values. Knows nothing of CLIP, of how tokens are drawn, or of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError

Cache = tuple[Tensor, ...]
"""Keys and values [2, B, heads, block, width/heads] of every layer, all views of one tensor; made by `new_cache`."""


@dataclass(frozen=True)
class Geometry:
    """The size of a transformer. block: tokens in a picture; condition: numbers in a CLIP embedding."""

    layers: int
    width: int
    heads: int
    vocabulary: int = 16384
    block: int = 256
    condition: int = 512

    def __post_init__(self) -> None:
        if min(self.layers, self.width, self.heads, self.vocabulary, self.block, self.condition) < 1:
            raise UserError(f"the numbers of a transformer's geometry must be 1 or more, got {self}")
        if self.width % self.heads:
            raise UserError(
                f"the width of a transformer must be a multiple of its heads, got {self.width} and {self.heads}; "
                "change one of them"
            )


MEDIUM = Geometry(layers=24, width=1024, heads=16)
LARGE = Geometry(layers=36, width=1280, heads=20)


class Block(nn.Module):
    """Attention and a feed-forward network of four times the width, each behind a norm and added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        # as nn.MultiheadAttention begins, which the original is made of
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Every position [B, T, D] sees itself and those before it."""
        query, key, value = self._heads(x)
        return self._add(x, causal_attention(query, key, value, self.dropout if self.training else 0.0))

    def decode(self, x: Tensor, position: Tensor, cache: Tensor, mask: Tensor) -> Tensor:
        """One position [B, 1, D] sees those that `mask` [1, 1, 1, n] (0 or -inf) leaves of the first n in its layer's
        `cache` [2, B, heads, block, D/heads], after its own key and value were written there at `position` [1]."""
        qkv = self._heads(x)
        cache.index_copy_(3, position, qkv[1:])
        keys, values = cache[:, :, :, : mask.shape[-1]]
        return self._add(x, F.scaled_dot_product_attention(qkv[0], keys, values, attn_mask=mask))

    def _heads(self, x: Tensor) -> Tensor:
        """Queries, keys, values, [3, B, heads, T, D/heads]."""
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))  # [B, T, 3, heads, D/heads]
        return qkv.permute(2, 0, 3, 1, 4)

    def _add(self, x: Tensor, seen: Tensor) -> Tensor:
        x = x + self._drop(self.mix(seen.transpose(1, 2).flatten(2)))
        wide = self._drop(F.gelu(self.widen(self.mlp_norm(x))))
        return x + self._drop(self.narrow(wide))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


def causal_attention(query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
    """Every position of [B, heads, T, D] sees itself and those before it, with `dropout` of what it would see."""
    if not (query.device.type == "cpu" and query.dtype == torch.bfloat16 and torch.is_grad_enabled()):
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
    # torch's own on the CPU is slow in bfloat16, for its backward pass; so is a softmax that gives float32
    batch, heads, length, width = query.shape
    rows = batch * heads
    query, key, value = (part.reshape(rows, length, width) for part in (query, key, value))
    ahead = torch.full((length, length), -torch.inf, dtype=query.dtype, device=query.device).triu(1)
    scores = torch.baddbmm(ahead.expand(rows, length, length), query, key.mT, alpha=width**-0.5)
    return (F.dropout(scores.softmax(-1), dropout, dropout > 0) @ value).view(batch, heads, length, width)


class Transformer(nn.Module):
    """Logits of picture tokens.

    `null_condition` [C], a buffer, is the embedding that stands for no condition at all; None in a model that was not
    trained with condition dropout. Its presence in a checkpoint is how a model says that it can be guided.
    `dropout` is that of the blocks in training (CLIP-GEN: 0.1). It draws from torch's generator: whoever trains with
    it and wants to resume exactly seeds that at every step.
    """

    null_condition: Tensor | None

    def __init__(self, geometry: Geometry, dropout: float = 0.0, null_condition: Tensor | None = None) -> None:
        super().__init__()
        self.geometry = geometry
        self.register_buffer("null_condition", null_condition)
        width = geometry.width
        self.tokens = nn.Embedding(geometry.vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(geometry.block, width))
        self.condition = nn.Linear(geometry.condition, width)
        self.blocks = nn.ModuleList(Block(width, geometry.heads, dropout) for _ in range(geometry.layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, geometry.vocabulary)

    def forward(self, condition: Tensor, tokens: Tensor) -> Tensor:
        """condition [B, C] and the first T tokens of each picture, int64 [B, T], T < block -> logits [B, T + 1, V] of
        tokens 0..T."""
        first = self.condition(condition)[:, None]
        x = torch.cat([first, self.tokens(tokens)], dim=1)  # [B, T + 1, D]
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def new_cache(self, rows: int) -> Cache:
        """Room for the keys and values of `rows` pictures, where and in the precision in which the weights are.

        One tensor [layers, 2, rows, heads, block, D/heads]. It is zeros and not empty memory, because a NaN there
        would pass through a weight of 0. It serves any number of pictures one after the other as it is.
        """
        g = self.geometry
        shape = (g.layers, 2, rows, g.heads, g.block, g.width // g.heads)
        return self.positions.new_zeros(shape, requires_grad=False).unbind(0)

    def decode(self, inputs: Tensor, position: Tensor, cache: Cache, extent: int) -> Tensor:
        """Logits [B, V] at one position, from `inputs` [B, D]: `condition(...)` at position 0, else `tokens(...)` of
        the token before. All positions before it must have been decoded into `cache`, which gets this one too.

        position: int64 [1], on the device, so that a recorded or compiled call serves every position below `extent`.
        extent: how much of the cache is read; more than `position`, at most `block`. Gradients must be off.
        """
        x = (inputs + self.positions.index_select(0, position))[:, None]  # [B, 1, D]
        hidden = torch.arange(extent, device=x.device) > position
        mask = torch.zeros(extent, device=x.device, dtype=x.dtype).masked_fill_(hidden, -torch.inf)
        mask = mask.view(1, 1, 1, extent)
        for block, layer in zip(self.blocks, cache, strict=True):
            x = block.decode(x, position, layer, mask)  # pyright: ignore[reportCallIssue]
        return self.head(self.norm(x[:, 0]))
