"""A sampled picture as a result, with what is stored in its file. Knows nothing of how it was sampled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor

from fastclipgen.outputs.images import to_uint8
from fastclipgen.result import Picture, Result


class Sample(NamedTuple):
    """A candidate that was kept. rank: 1 is the best; None where it was asked for by its number. similarity: cosine by
    which it was ranked. tokens: int64 [L]."""

    picture: Picture
    candidate: int
    rank: int | None
    similarity: float
    tokens: Tensor

    @property
    def facts(self) -> dict[str, Any]:
        """What is stored of it beside the settings."""
        ranked = {} if self.rank is None else {"rank": self.rank}
        return {"candidate": self.candidate, **ranked, "similarity": round(self.similarity, 6)}


class Seen(NamedTuple):
    """A finished picture [3, H, W] in 0..1, its loss and its cosine to each prompt."""

    image: Tensor
    loss: float
    similarities: list[float]


def sampled(
    sample: Sample, seen: Seen, clips: list[str], name: str, settings: dict[str, Any], given: list[str]
) -> Result:
    """The result of a sample that is not optimised; the other arguments as of `result.finished`, for its one CLIP."""
    loss, similar = round(seen.loss, 6), {name: [round(value, 6) for value in seen.similarities]}
    metadata = {
        "settings": settings,
        "clip": clips,
        "steps_done": 0,
        "scores": {"loss": loss, "similarities": similar},
        "sample": sample.facts,
    }
    if given:
        metadata["given_in_python"] = given
    picture = sample.picture
    return Result(to_uint8(seen.image), picture.prompt, picture.seed, picture.index, loss, similar, 0, True, metadata)


def refined(result: Result, sample: Sample, settings: dict[str, Any]) -> Result:
    """The result of optimising a sample, with the settings that make both again."""
    return replace(result, metadata=result.metadata | {"settings": settings, "sample": sample.facts})
