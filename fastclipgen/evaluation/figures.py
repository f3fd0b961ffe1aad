"""All measures of one set of pictures, from their features. Reads no files; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fastclipgen.evaluation.clip_scores import own_scores, r_precision, ranks, similarities
from fastclipgen.evaluation.distances import cmmd, frechet
from fastclipgen.evaluation.diversity import difference, spread, spread_within
from fastclipgen.evaluation.spectrum import Limits, high_share, slope


@dataclass(frozen=True, eq=False)
class Sight:
    """What one CLIP sees: embeddings of the pictures [N, E], of the distinct texts [K, E], and of the reference's
    pictures [M, E], where there is one. guide: it drew some of the pictures itself."""

    clip: str
    images: Tensor
    texts: Tensor
    reference: Tensor | None = None
    guide: bool = False


@dataclass(frozen=True)
class ClipFigures:
    """One CLIP's figures of a set; None where there is nothing to tell. score, score_error: mean and standard error of
    the CLIP score of `scored` pictures that have a text, of which `texts` are different. narrow: no more pictures than
    an embedding has numbers, so that `frechet` is too large."""

    clip: str
    guide: bool
    scored: int
    texts: int
    score: float | None
    score_error: float | None
    r1: float | None
    r5: float | None
    spread: float | None
    spread_within: float | None
    cmmd: float | None
    frechet: float | None
    narrow: bool


@dataclass(frozen=True)
class PictureFigures:
    """One picture's figures; scores and places (of its own text, 1 is the nearest) by CLIP. high_share and slope are
    None for a flat picture."""

    file: str
    prompt: str | None
    scores: dict[str, float | None]
    places: dict[str, int | None]
    high_share: float | None
    slope: float | None
    alarm: bool


@dataclass(frozen=True)
class Figures:
    """A set's figures. high_share, slope: medians; alarms: pictures whose spectrum raises one, by `limits`; difference:
    in pixels; fid: None where it was not asked for."""

    name: str
    clips: tuple[ClipFigures, ...]
    high_share: float | None
    slope: float | None
    alarms: int
    limits: Limits
    difference: float | None
    fid: float | None
    pictures: tuple[PictureFigures, ...]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return asdict(self)


def measure(
    name: str,
    files: Sequence[str],
    prompts: Sequence[str | None],
    sights: Sequence[Sight],
    rings: Tensor,
    small: Tensor,
    limits: Limits,
    inception: tuple[Tensor, Tensor] | None = None,
) -> Figures:
    """The figures of N > 0 pictures.

    prompts: of each picture; the texts of every `Sight` are `distinct(prompts)`. rings: `spectrum.ring_power`
    [N, 2, R]; small: `extractors.Small` [N, D]; inception: features of the pictures and of the reference, for FID.
    """
    order = {text: k for k, text in enumerate(distinct(prompts))}
    told = torch.tensor([i for i, prompt in enumerate(prompts) if prompt], dtype=torch.int64)
    own = torch.tensor([order[prompt] for prompt in prompts if prompt], dtype=torch.int64)
    clips, scores, places = [], {}, {}
    for sight in sights:
        table = similarities(sight.images[told], sight.texts) if len(told) else torch.empty(0, 1)
        mine, rank = (own_scores(table, own), ranks(table, own)) if len(told) else (torch.empty(0), torch.empty(0))
        clips.append(_of_clip(sight, mine, rank, told, own, len(order)))
        scores[sight.clip] = dict(zip(told.tolist(), mine.tolist(), strict=True))
        places[sight.clip] = dict(zip(told.tolist(), rank.tolist(), strict=True))
    share, fall = high_share(rings), slope(rings)
    alarm = limits.exceeded(share, fall)
    pictures = tuple(
        PictureFigures(
            file, prompt, {clip: row.get(i) for clip, row in scores.items()},
            {clip: row.get(i) for clip, row in places.items()}, _known(share[i]), _known(fall[i]), bool(alarm[i]),
        )
        for i, (file, prompt) in enumerate(zip(files, prompts, strict=True))
    )  # fmt: skip
    fid = None if inception is None else frechet(*inception)
    middle, bend = _known(share.nanmedian()), _known(fall.nanmedian())
    return Figures(name, tuple(clips), middle, bend, int(alarm.sum()), limits, difference(small), fid, pictures)


def distinct(prompts: Sequence[str | None]) -> list[str]:
    """The different texts among the prompts, in their order."""
    return list(dict.fromkeys(prompt for prompt in prompts if prompt))


def _of_clip(sight: Sight, scores: Tensor, places: Tensor, told: Tensor, own: Tensor, texts: int) -> ClipFigures:
    count, reference = len(scores), sight.reference
    comparable = reference is not None and min(len(sight.images), len(reference)) > 1
    return ClipFigures(
        clip=sight.clip,
        guide=sight.guide,
        scored=count,
        texts=texts,
        score=float(scores.mean()) if count else None,
        score_error=float(scores.std() / count**0.5) if count > 1 else None,
        r1=r_precision(places, texts),
        r5=r_precision(places, texts, best=5),
        spread=spread(sight.images),
        spread_within=spread_within(sight.images[told], own),
        cmmd=cmmd(sight.images, reference) if comparable and reference is not None else None,
        frechet=frechet(sight.images, reference) if comparable and reference is not None else None,
        narrow=comparable and reference is not None and min(len(sight.images), len(reference)) <= sight.images.shape[1],
    )


def _known(value: Tensor) -> float | None:
    return float(value) if bool(torch.isfinite(value)) else None
