"""Tokens of all candidates of some prompts, batch by batch; what the device can do for it, and what happens if it
cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fastclipgen.engine.compiled import use_cache_folder
from fastclipgen.errors import UserError
from fastclipgen.models.transformer import Transformer
from fastclipgen.sampling.choice import Choice
from fastclipgen.sampling.sampler import Sampler, Watch, uniforms_of


class Way(NamedTuple):
    """How tokens are drawn. compiled: by torch.compile; strict: raise UserError where compiling fails, instead of going
    on without. On CUDA steps are recorded as graphs, where that works."""

    compiled: bool = False
    strict: bool = False


class Drawer:
    """Draws samples `rows` at a time. Nothing is allocated before the first; `notice` hears what could not be done."""

    def __init__(self, model: Transformer, rows: int, choice: Choice, way: Way, notice: Callable[[str], None]) -> None:
        self.model, self.rows, self.choice, self.way, self.notice = model, rows, choice, way, notice
        self._sampler: Sampler | None = None

    def draw(
        self, conditions: Tensor, seeds: Tensor, candidates: Sequence[int], watch: Watch | None = None
    ) -> Tensor | None:
        """Tokens int64 [B, n, block] of the candidates with these numbers, of B pictures with conditions [B, C] and
        seeds int64 [B].

        n is their number, or less where `watch` gave a batch up: then those of a single picture that were finished
        before are returned, and None where there are none.
        """
        block = self.model.geometry.block
        numbers = torch.tensor(candidates, device=seeds.device)
        uniform = uniforms_of(seeds, block, max(candidates) + 1)[:, numbers].flatten(0, 1)  # [B * n, block]
        rows = conditions.repeat_interleave(len(candidates), dim=0)
        done: list[Tensor] = []
        for part, numbers_of_part in zip(rows.split(self.rows), uniform.split(self.rows), strict=True):
            tokens = self._draw(part, numbers_of_part, watch)
            if tokens is None:
                break
            done.append(tokens)
        finished = sum(map(len, done))
        if not finished or (finished < len(rows) and len(seeds) > 1):
            return None
        return torch.cat(done).view(len(seeds), -1, block)

    def _draw(self, conditions: Tensor, uniform: Tensor, watch: Watch | None) -> Tensor | None:
        try:
            return self._made().draw(conditions, uniform, watch)
        except UserError as error:
            if self._sampler is None or self.way.strict or self._sampler.plain:
                raise
            self.notice(f"tokens are drawn without compiling and recording: {error}")
        self._sampler = None  # its memory goes before that of the next one comes
        self._sampler = Sampler(self.model, self.rows, self.choice)
        return self._sampler.draw(conditions, uniform, watch)

    def _made(self) -> Sampler:
        if self._sampler is None:
            graph = self.model.positions.device.type == "cuda"
            if self.way.compiled:
                use_cache_folder()
            self._sampler = Sampler(self.model, self.rows, self.choice, compiled=self.way.compiled, graph=graph)
        return self._sampler
