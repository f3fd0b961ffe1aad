"""Training CLIP-GEN's transformer: the tokens of a picture, given the CLIP embedding of that picture.

From pictures alone (Wang et al. 2022, arXiv 2203.00386): CLIP embeds texts in the same space, so the model draws what a
text says. Noise on the conditions (LAFITE, Zhou et al. 2022, arXiv 2111.13792) makes it take embeddings that lie
somewhat beside those of pictures, as texts' do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.data.order import Order
from fastclipgen.engine.compiled import Compiled, use_cache_folder
from fastclipgen.models.fingerprint import fingerprint
from fastclipgen.models.transformer import Geometry, Transformer
from fastclipgen.models.transformer_dialects import build
from fastclipgen.ops.philox import Stream, normals, uniforms
from fastclipgen.outputs.grid import contact_sheet
from fastclipgen.sampling.choice import Choice
from fastclipgen.sampling.sampler import Sampler
from fastclipgen.training import processes
from fastclipgen.training.export import save_half
from fastclipgen.training.next_token import decay_groups, next_token_loss, with_dropout, with_noise
from fastclipgen.training.task import Best, Recipe, TrainOptions
from fastclipgen.training.tokenizer import Tokenizer
from fastclipgen.weights.checkpoint import read_tensors

SHOWN, TRIES = 6, 5  # rows and samples a row of the sheet
SAMPLES = 64  # pictures whose samples are compared with them at an evaluation
EVALUATED = 128  # rows of the held-out pictures at once


@dataclass(frozen=True)
class Conditions:
    """What is done to the embeddings in training: next_token.with_noise and with_dropout."""

    noise: float = 0.0
    dropout: float = 0.0


class Pairs:
    """Tokens [N, L] (any integers) and embeddings [N, E] (any floats) of the same pictures, on disk or in memory."""

    def __init__(self, tokens: np.ndarray, embeddings: np.ndarray) -> None:
        self.tokens, self.embeddings = tokens, embeddings

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, indices: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
        """Embeddings float32 [n, E] of length 1 and tokens int64 [n, L]."""
        embeddings = torch.from_numpy(self.embeddings[indices].astype(np.float32)).to(device)
        return F.normalize(embeddings, dim=-1), torch.from_numpy(self.tokens[indices].astype(np.int64)).to(device)


class ClipGenTask:
    """pairs: of the pictures to train on, and held out. start: weights to begin with, of the same geometry.
    dropout: of the transformer. bf16: autocast of what can be.
    compiled: by torch.compile, which takes half a minute at first."""

    def __init__(
        self,
        options: TrainOptions,
        geometry: Geometry,
        tokenizer: Tokenizer,
        pairs: Pairs,
        held_out: Pairs,
        *,
        start: Transformer | None = None,
        conditions: Conditions,
        dropout: float,
        bf16: bool,
        compiled: bool = False,
        settings: dict[str, Any],
    ) -> None:
        torch.manual_seed(options.seed)
        # where there is condition dropout, no condition is the embedding that is all zero
        null = torch.zeros(geometry.condition) if conditions.dropout else None
        self.model = Transformer(geometry, dropout, null).to(tokenizer.device)
        # as GPT-2 does; as nn.Embedding begins, positions and conditions, which begin near 0, would drown
        nn.init.normal_(self.model.tokens.weight, std=0.02)
        if start is not None:
            learned = {name: value for name, value in start.state_dict().items() if name != "null_condition"}
            self.model.load_state_dict(self.model.state_dict() | learned)
            settings = settings | {"start": fingerprint(start)}
        self._surprise = self._next_token_loss
        if compiled:
            use_cache_folder()
            self._surprise = Compiled(self._surprise)
        self.options, self.tokenizer, self.bf16 = options, tokenizer, bf16
        self.pairs, self.held_out, self.conditions = pairs, held_out, conditions
        self._order, self._key = Order(options.seed, len(pairs)), torch.tensor([options.seed])
        self.recipe = Recipe(
            betas=(0.9, 0.95),
            groups=decay_groups(self.model, options.weight_decay),
            best=Best("cross_entropy", largest=False),
            sheet=self.sheet,
            settings={**asdict(geometry), **asdict(conditions), "block_dropout": dropout, **settings},
        )

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """This process's conditions [n, E] and tokens [n, L] of a step. What stands at a place of the whole batch is
        settled by the seed, the step and the place."""
        places = processes.places(self.options.batch)
        here = slice(places.start, places.stop)
        indices = self._order.at(step * self.options.batch + np.asarray(places))
        embeddings, tokens = self.pairs.rows(indices, self.tokenizer.device)
        batch, width = self.options.batch, embeddings.shape[1]
        noise = normals(self._key, step, Stream.NOISE, width, cutouts=batch)[0, here].to(embeddings)
        chance = uniforms(self._key, step, Stream.ERASE, 1, cutouts=batch)[0, here, 0].to(embeddings)
        seen = with_noise(embeddings, noise, self.conditions.noise)
        return with_dropout(seen, chance, self.conditions.dropout), tokens

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        conditions, tokens = self.batch(step)
        with torch.autocast(self.tokenizer.device.type, torch.bfloat16, enabled=self.bf16):
            return self._surprise(conditions, tokens), {}

    def _next_token_loss(self, conditions: Tensor, tokens: Tensor) -> Tensor:
        return next_token_loss(self.model, conditions, tokens)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """On held-out pictures, given their own embeddings: cross-entropy of a token, share of tokens that were the
        likeliest, and mean cosine of samples to their condition (with that of the pictures' own tokens beside it)."""
        assert isinstance(model, Transformer)
        surprise, hits = 0.0, 0
        for rows in np.array_split(np.arange(len(self.held_out)), -(-len(self.held_out) // EVALUATED)):
            conditions, tokens = self.held_out.rows(rows, self.tokenizer.device)
            logits = model(conditions, tokens[:, :-1])
            surprise += float(F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="sum"))
            hits += int((logits.argmax(-1) == tokens).sum())
        count = self.held_out.tokens.size
        shown = np.arange(min(SAMPLES, len(self.held_out)))
        conditions, tokens = self.held_out.rows(shown, self.tokenizer.device)
        drawn = self._sampled(model, conditions, 1)[:, 0]
        return {
            "cross_entropy": surprise / count,
            "top1": hits / count,
            "similarity": self._similarity(drawn, conditions),
            "similarity_of_truth": self._similarity(tokens, conditions),
        }

    def sheet(self, model: nn.Module) -> np.ndarray:
        """uint8 [H, W, 3]: in every row a held-out picture through the VQGAN, and samples from its embedding."""
        assert isinstance(model, Transformer)
        shown = np.arange(min(SHOWN, len(self.held_out)))
        conditions, tokens = self.held_out.rows(shown, self.tokenizer.device)
        rows = torch.cat([tokens[:, None], self._sampled(model, conditions, TRIES)], dim=1)  # [n, 1 + TRIES, L]
        images = self.tokenizer.draw(rows.flatten(0, 1))
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return contact_sheet(list(pixels), columns=1 + TRIES, padding=4)

    def export(self, model: nn.Module, path: Path) -> dict[str, float]:
        """Weights as fp16, read back as a user will and measured."""
        assert isinstance(model, Transformer)
        save_half({name: value.cpu() for name, value in model.state_dict().items()}, path)
        written = build(read_tensors(path, "the transformer"), f"'{path}'", heads=model.geometry.heads)
        return self.evaluate(written.to(self.tokenizer.device))

    def _sampled(self, model: Transformer, conditions: Tensor, candidates: int) -> Tensor:
        seeds = torch.arange(len(conditions))
        return Sampler(model, min(64, len(seeds) * candidates), Choice()).sample(conditions, seeds, candidates)

    def _similarity(self, tokens: Tensor, conditions: Tensor) -> float:
        return float((self.tokenizer.embed(self.tokenizer.draw(tokens)) * conditions).sum(-1).mean())
