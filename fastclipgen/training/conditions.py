"""Pictures with what a conditional model is told of them: attributes, and CLIP's embedding of the caption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fastclipgen.data.labelled import LabelledSource, open_labelled
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.training.caption_cache import AT_ONCE, CaptionCache, clip_identity

ENDLESS = 49_152  # pictures whose captions are embedded, of a source without an end


class Conditions(NamedTuple):
    """Of n pictures, on the CPU: attributes float32 [n, A], 0 or 1, and embeddings float32 [n, E] of length 1, those of
    the captions; E is 0 without a CLIP."""

    attributes: Tensor
    embeddings: Tensor


class Conditioned:
    """A labelled source, and its captions' embeddings by the picture's number.

    Without a perceptor there are none, and the source may be without an end. Held-out captions are embedded when they
    are first asked for, and stay in memory. `identity` says what pictures and conditions follow from, as plain values.
    """

    def __init__(
        self,
        source: LabelledSource,
        perceptor: FrozenPerceptor | None,
        cache: Path | None,
        *,
        fresh: bool = False,
        quiet: bool = False,
    ) -> None:
        self.source, self._perceptor = source, perceptor
        self.size, self.attribute_names = source.size, source.attribute_names
        self.attributes = len(source.attribute_names)
        self.width = 0 if perceptor is None else perceptor.embed_dim
        self._clip = {} if perceptor is None else {"clip": clip_identity(perceptor)}
        self._held_out: tuple[int, tuple[Tensor, Conditions]] | None = None
        if perceptor is not None:
            assert source.pictures is not None, "embeddings are kept of a finite set"
            assert cache is not None, "embeddings are kept in a folder"
            captions = source.captions(np.arange(source.pictures))
            rows = {text: row for row, text in enumerate(dict.fromkeys(captions))}
            self._row_of = np.array([rows[text] for text in captions])  # int64 [pictures]
            self._cached = CaptionCache(cache, list(rows), perceptor, fresh=fresh, quiet=quiet).embeddings

    def identity(self) -> dict[str, Any]:
        return {**self.source.identity(), "size": self.size, **self._clip}

    def batch(self, step: int, places: range) -> tuple[Tensor, Conditions]:
        """The pictures at these places of the batch of a step, uint8 [n, 3, S, S], and what is told of them."""
        pictures = self.source.batch(step, places)
        numbers = self.source.numbers(step, places).numpy()
        attributes = self.source.attributes(numbers)
        if self._perceptor is None:
            return pictures, Conditions(attributes, torch.zeros(len(attributes), 0))
        found = torch.from_numpy(np.asarray(self._cached[self._row_of[numbers]], dtype=np.float32))
        return pictures, Conditions(attributes, F.normalize(found, dim=-1))  # float16 rounds lengths too

    def held_out(self, count: int) -> tuple[Tensor, Conditions]:
        """Up to `count` pictures that no step trains on, always the same, as `batch` gives them."""
        if self._held_out is None or self._held_out[0] != count:
            pictures, labels = self.source.held_out(count), self.source.held_out_labels(count)
            self._held_out = count, (pictures, Conditions(labels.attributes, self._embedded(labels.captions)))
        return self._held_out[1]

    def _embedded(self, texts: list[str]) -> Tensor:
        if self._perceptor is None:
            return torch.zeros(len(texts), 0)
        blocks = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
        return torch.cat([self._perceptor.encode_many(block).cpu() for block in blocks])


def open_conditioned(
    text: str,
    size: int,
    seed: int,
    batch: int,
    *,
    perceptor: FrozenPerceptor | None,
    cache: Path | None,
    table: Path | None = None,
    crop: str | None = None,
    short_side: int = 0,
    pictures: int = 0,
    fresh: bool = False,
    quiet: bool = False,
    notice: Callable[[str], None] = print,
) -> Conditioned:
    """The labelled source that `--data` names, as data.labelled.open_labelled has it, and its captions' embeddings.

    perceptor: on the device where texts are to be embedded; None: attributes alone. cache: the folder of
    the embeddings; what is not in it yet is computed now. pictures: 0 are all, of a source without an end ENDLESS where
    there is a perceptor. fresh: a cache of something else is made again instead of refused. Raises UserError.
    """
    if perceptor is not None and text.partition(":")[0] == "shapes":
        pictures = pictures or ENDLESS
    source = open_labelled(
        text, size, seed, batch, table=table, crop=crop, short_side=short_side, pictures=pictures, notice=notice
    )
    return Conditioned(source, perceptor, cache, fresh=fresh, quiet=quiet)
