"""Tokens of pictures, one position after the other, over a cache that is allocated once.

A step is the same operations on the same memory at every position, so that it can be compiled and recorded as a CUDA
graph; nothing in it waits for the host. Knows nothing of CLIP and of what draws pictures from tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.engine.compiled import Compiled, obstacle
from fastclipgen.engine.cuda_graph import record
from fastclipgen.engine.memory import is_out_of_memory
from fastclipgen.engine.stepper import first_line
from fastclipgen.errors import UserError
from fastclipgen.models.transformer import Cache, Transformer
from fastclipgen.ops.philox import Stream, uniforms
from fastclipgen.sampling.choice import Choice, choose, guide

STRIDE = 64  # the cache is read up to the next multiple; each is one compiled or recorded step
DEFAULT = Choice()


def uniforms_of(seeds: Tensor, block: int, candidates: int) -> Tensor:
    """The uniform numbers float32 [B, K, block] that decide the tokens of K candidates of each seed, int64 [B]."""
    return uniforms(seeds, 0, Stream.TOKENS, block, candidates)


class TokenInfo(NamedTuple):
    """What a callback sees after a token of every sample in a batch: `step` of `steps`, which are a picture's tokens.
    There is no loss."""

    step: int
    steps: int
    loss: None = None
    known: None = None


Watch = Callable[[TokenInfo], bool]
"""Called after every token of a batch; True gives the batch up."""


class Desk(NamedTuple):
    """The memory of B samples in the making, with guidance B more rows behind them without the condition."""

    inputs: Tensor  # [B or 2B, D], what the next position gets
    uniform: Tensor  # float32 [B, block]
    tokens: Tensor  # int64 [B, block]
    cache: Cache


def draw_token(model: Transformer, choice: Choice, desk: Desk, position: Tensor, extent: int) -> None:
    """Draws the token at `position`, int64 [1] and below `extent`, and lays out the inputs of the next; in place."""
    logits = model.decode(desk.inputs, position, desk.cache, extent).float()
    logits = guide(logits, choice) if choice.guided else logits
    token = choose(logits, desk.uniform.index_select(1, position)[:, 0], choice)  # [B]
    desk.tokens.index_copy_(1, position, token[:, None])
    following = model.tokens(token)
    desk.inputs.copy_(torch.cat([following, following]) if choice.guided else following)


class Sampler:
    """Draws samples from `model`, `rows` at a time, in the precision and on the device in which its weights are.

    compiled: the step goes through torch.compile, once for every 64 positions. graph: the step is recorded as a CUDA
    graph, likewise. The weights must then stay where they are. Raises UserError where either cannot work, and for
    guidance of a model that was not trained with condition dropout. The model is put in eval mode, once: in training,
    make it so again before sampling.
    """

    def __init__(
        self, model: Transformer, rows: int, choice: Choice = DEFAULT, *, compiled: bool = False, graph: bool = False
    ) -> None:
        device = model.positions.device
        if rows < 1:
            raise UserError(f"a sampler must draw 1 or more samples at a time, got {rows}")
        if compiled and (reason := obstacle(device)):
            raise UserError(f"the sampler cannot be compiled: {reason}; leave out compiled=True")
        if graph and device.type != "cuda":
            raise UserError(f"a CUDA graph needs a CUDA device, the model is on {device}; leave out graph=True")
        if choice.guided and model.null_condition is None:
            raise UserError(
                f"guidance {choice.guidance:g} needs a transformer that was trained with condition dropout, whose "
                "checkpoint holds 'null_condition'; leave guidance out, or give such a transformer"
            )
        self.model, self.rows, self.choice = model.eval(), rows, choice
        self._compiled, self._graph = compiled, graph
        self._draw: Callable[..., None] = Compiled(draw_token) if compiled else draw_token
        block, count = model.geometry.block, rows * (2 if choice.guided else 1)
        self._desk = Desk(
            inputs=model.positions.new_zeros(count, model.geometry.width, requires_grad=False),
            uniform=torch.zeros(rows, block, device=device),
            tokens=torch.zeros(rows, block, dtype=torch.int64, device=device),
            cache=model.new_cache(count),
        )
        self._positions = torch.arange(block, device=device).split(1)  # nothing is sent to the device on the way
        self._position = torch.zeros(1, dtype=torch.int64, device=device)  # the one that recorded steps read
        self._recorded: dict[int, torch.cuda.CUDAGraph] = {}

    @property
    def plain(self) -> bool:
        """Whether it is neither compiled nor recorded, so that nothing about that can fail."""
        return not self._compiled and not self._graph

    @torch.no_grad()
    def sample(self, conditions: Tensor, seeds: Tensor, candidates: int = 1) -> Tensor:
        """Tokens int64 [B, candidates, block] of B pictures.

        conditions: CLIP embeddings [B, C] of length 1. seeds: int64 [B]. Candidate k of a picture is drawn from its
        seed and k alone: not from the other pictures, the number of candidates or of rows. Raises UserError.
        """
        expected = self.model.geometry.condition
        if conditions.ndim != 2 or conditions.shape[1] != expected or len(conditions) != len(seeds):
            raise UserError(
                f"the sampler takes conditions [B, {expected}] and seeds [B], got {list(conditions.shape)} and "
                f"{list(seeds.shape)}; give the embeddings of the CLIP that the transformer was trained with"
            )
        if candidates < 1:
            raise UserError(f"there must be 1 or more candidates, got {candidates}")
        uniform = uniforms_of(seeds.to(self._position.device), self.model.geometry.block, candidates).flatten(0, 1)
        rows = conditions.repeat_interleave(candidates, dim=0)  # [B * K, C]
        parts = zip(rows.split(self.rows), uniform.split(self.rows), strict=True)
        tokens = [part for pair in parts if (part := self.draw(*pair)) is not None]
        return torch.cat(tokens).view(len(seeds), candidates, -1)

    @torch.no_grad()
    def draw(self, conditions: Tensor, uniform: Tensor, watch: Watch | None = None) -> Tensor | None:
        """Tokens int64 [n, block] of n <= rows samples, from conditions [n, C] and the uniform numbers float32
        [n, block] that decide them; None where `watch` gave them up."""
        block = self.model.geometry.block
        if self._graph and not self._recorded:
            self._recorded = self._record()
        self._begin(conditions.to(self._desk.inputs), uniform)
        for k in range(block):
            extent = min(block, (k // STRIDE + 1) * STRIDE)
            if self._graph:
                self._position.copy_(self._positions[k])
                self._recorded[extent].replay()
            else:
                self._step(self._positions[k], extent)
            if watch is not None and watch(TokenInfo(k + 1, block)):
                return None
        return self._desk.tokens[: len(conditions)].clone()

    def _begin(self, conditions: Tensor, uniform: Tensor) -> None:
        """The inputs of position 0. Rows without a sample draw something too; nobody looks at it."""
        n = len(conditions)
        self._desk.uniform[:n] = uniform
        self._desk.inputs[:n] = self.model.condition(conditions)
        if self.choice.guided and self.model.null_condition is not None:
            self._desk.inputs[self.rows :] = self.model.condition(self.model.null_condition[None])

    def _step(self, position: Tensor, extent: int) -> None:
        try:
            self._draw(self.model, self.choice, self._desk, position, extent)
        except Exception as error:
            if not self._compiled or _is_plain(error):
                raise
            raise UserError(f"the sampler cannot be compiled ({first_line(error)}); leave out compiled=True") from error

    def _record(self) -> dict[int, torch.cuda.CUDAGraph]:
        """A graph for each extent; they share their memory, as one always runs after the other."""
        block, pool, recorded = self.model.geometry.block, torch.cuda.graph_pool_handle(), {}
        for extent in [*range(STRIDE, block, STRIDE), block]:
            try:
                graph, _ = record(lambda e=extent: self._step(self._position, e), self._position.device, pool)
            except RuntimeError as error:
                if _is_plain(error):
                    raise
                raise UserError(
                    f"the sampler cannot be recorded as a CUDA graph ({first_line(error)}); leave out graph=True"
                ) from error
            recorded[extent] = graph
        return recorded


def _is_plain(error: Exception) -> bool:
    """Whether an error has nothing to do with how the step is carried out."""
    return isinstance(error, UserError) or is_out_of_memory(error)
