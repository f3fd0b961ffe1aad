"""CLIP's embeddings of the captions of a data set, computed once in batches and kept in one memory-mapped file.

Captions that are equal have one row. Knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastclipgen.data.listing import digest
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.training import row_cache
from fastclipgen.training.row_cache import RowCache
from fastclipgen.training.tokenizer import fingerprint

AT_ONCE = 256  # captions of a block
_LAYOUT = 1  # of the file; another number is another cache


class CaptionCache:
    """Embeddings of `texts`, unlike each other: float16 [N, E] of length 1 up to its rounding, in their order.

    A run that was killed goes on with what is missing. fresh: a cache of something else in the folder is made again
    instead of refused. Raises UserError for such a cache, and where nothing can be written.
    """

    def __init__(
        self,
        folder: Path,
        texts: Sequence[str],
        perceptor: FrozenPerceptor,
        *,
        fresh: bool = False,
        quiet: bool = False,
    ) -> None:
        columns = {"embeddings": (np.float16, perceptor.embed_dim)}

        def made(rows: range) -> dict[str, np.ndarray]:
            return {"embeddings": perceptor.encode_many(list(texts[rows.start : rows.stop])).cpu().numpy()}

        key = key_of(texts, perceptor)
        row_cache.complete(folder, key, columns, made, block=AT_ONCE, what="captions", fresh=fresh, quiet=quiet)
        self.embeddings = RowCache(folder, tuple(columns))["embeddings"]


def key_of(texts: Sequence[str], perceptor: FrozenPerceptor) -> dict[str, Any]:
    """What the cache of these texts follows from, as plain values."""
    return {
        "clip": clip_identity(perceptor), "captions": digest(texts), "rows": len(texts),
        "embedding": perceptor.embed_dim, "layout": _LAYOUT,
    }  # fmt: skip


def clip_identity(perceptor: FrozenPerceptor) -> str:
    """The name of a CLIP and the weights that texts go through, which no precision of its image tower changes."""
    return f"{perceptor.name} {fingerprint(perceptor.module, without='visual')}"
