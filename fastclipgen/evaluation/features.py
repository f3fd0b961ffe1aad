"""Features of many pictures: read ahead by threads, extracted in batches, and kept in a cache where there is one.

Knows neither what the features are nor what becomes of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.evaluation.extractors import Extractor
from fastclipgen.evaluation.feature_cache import FeatureCache
from fastclipgen.evaluation.pictures import Item

BATCH = 32


@dataclass(frozen=True, eq=False)
class Features:
    """names: of the N pictures that could be read, in their order, `index` int64 [N] their numbers among all; rows:
    float32 [N, D] for each extractor; computed: how many pictures were looked at, the others being in the cache;
    broken: the pictures that could not be read, with the reason."""

    names: list[str]
    index: Tensor
    rows: list[Tensor]
    computed: int
    broken: dict[str, str]


@dataclass(frozen=True, eq=False)
class _Read:
    """A picture that was read: its features in the cache, and what extractors need for the others, by their keys."""

    digest: str
    known: dict[str, Tensor]
    looks: dict[str, Tensor]


def extract(
    items: Sequence[Item],
    extractors: Sequence[Extractor],
    *,
    cache: FeatureCache | None = None,
    batch: int = BATCH,
    tick: Callable[[int], None] = lambda done: None,
) -> Features:
    """The features of all pictures that can be read. `tick` hears how many pictures are done.

    While a batch is in the extractors, threads read the next one. Raises UserError for what extractors and the cache
    raise; pictures that cannot be read are left out and told in `broken`.
    """
    columns: list[list[Tensor]] = [[] for _ in extractors]
    index: list[int] = []
    broken: dict[str, str] = {}
    computed = done = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for futures in _ahead(pool, items, extractors, cache, batch):
            found = []
            for number, future in enumerate(futures, done):
                outcome = future.result()
                if isinstance(outcome, str):
                    broken[items[number].name] = outcome
                else:
                    found.append(outcome)
                    index.append(number)
            for extractor, column in zip(extractors, columns, strict=True):
                column += _completed(extractor, found, cache)
            computed += sum(bool(read.looks) for read in found)
            done += len(futures)
            tick(done)
    rows = [torch.stack(column) if column else torch.empty(0, 0) for column in columns]
    return Features([items[i].name for i in index], torch.tensor(index, dtype=torch.int64), rows, computed, broken)


def _ahead(
    pool: ThreadPoolExecutor,
    items: Sequence[Item],
    extractors: Sequence[Extractor],
    cache: FeatureCache | None,
    batch: int,
) -> Iterator[list[Future[_Read | str]]]:
    """Batches of pictures that are being read, the next one always under way; no more, for they take memory."""
    left: Iterable[Item] = iter(items)

    def submit() -> list[Future[_Read | str]]:
        return [pool.submit(_read, item, extractors, cache) for item in islice(left, batch)]

    now = submit()
    while now:
        following = submit()
        yield now
        now = following


def _read(item: Item, extractors: Sequence[Extractor], cache: FeatureCache | None) -> _Read | str:
    """A picture, or why it cannot be read."""
    try:
        opened = item.open()
    except UserError as error:
        return str(error)
    known = cache.get([extractor.key for extractor in extractors], opened.digest) if cache else {}
    missing = [extractor for extractor in extractors if extractor.key not in known]
    if not missing:
        return _Read(opened.digest, known, {})
    try:
        picture = opened.load()
        return _Read(opened.digest, known, {extractor.key: extractor.look(picture) for extractor in missing})
    except UserError as error:
        return str(error)


def _completed(extractor: Extractor, found: Sequence[_Read], cache: FeatureCache | None) -> list[Tensor]:
    """The features [D] of a batch by one extractor; those that were not in the cache are there now."""
    missing = [read for read in found if extractor.key in read.looks]
    made: dict[int, Tensor] = {}
    if missing:
        rows = extractor.embed(torch.stack([read.looks[extractor.key] for read in missing]))
        made = {id(read): row for read, row in zip(missing, rows, strict=True)}
        if cache:
            cache.put(extractor.key, {read.digest: made[id(read)] for read in missing})
    return [made[id(read)] if id(read) in made else read.known[extractor.key] for read in found]
