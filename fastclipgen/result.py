"""A picture of a run: what it was to be, and what came of it, with what is stored in its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fastclipgen.engine.engine import EngineResult
from fastclipgen.outputs.images import save_image, to_uint8
from fastclipgen.outputs.naming import NameFields


@dataclass(frozen=True)
class Result:
    """A finished picture. pixels: uint8 [H, W, 3]; loss and similarities (per CLIP, per prompt): of the picture seen
    whole; metadata: what is stored in its file; finite: False where the run broke and this is the last good state."""

    pixels: np.ndarray = field(repr=False)
    prompt: str
    seed: int
    index: int
    loss: float
    similarities: dict[str, list[float]]
    steps: int
    finite: bool
    metadata: dict[str, Any] = field(repr=False)

    @property
    def image(self) -> Image.Image:
        """The picture as a Pillow image."""
        return Image.fromarray(self.pixels)

    @property
    def fields(self) -> NameFields:
        """What the name of an output file may be made of."""
        generator = self.metadata["settings"]["generator"]
        return NameFields(prompt=self.prompt, seed=self.seed, index=self.index, generator=generator)

    def save(
        self, template: str | Path = "outputs/{slug}-{seed}.png", *, metadata: bool = True, quality: int = 95
    ) -> Path:
        """Write the picture under the first free name of the template (outputs.naming); returns the name."""
        stored = self.metadata if metadata else None
        return save_image(self.pixels, template, stored, fields=self.fields, quality=quality)


@dataclass(frozen=True)
class Picture:
    """What one picture of a job is to be. init: path of its start picture, where that is not the run's; over: what lies
    over that one, PATH:OPACITY."""

    prompt: str
    seed: int
    index: int
    init: str | None = None
    over: str | None = None


def finished(
    picture: Picture,
    result: EngineResult,
    row: int,
    settings: dict[str, Any],
    seen: Sequence[tuple[str, int]],
    clips: list[str],
    given: list[str],
) -> Result:
    """Row `row` of the engine's result as a picture.

    settings: of this picture; seen: the name of each guide and how many prompts of this picture it has, in the order of
    the result's similarities; clips: how the guides' models are stored; given: what came as a Python object, which no
    settings can name.
    """
    names, counts = _distinct([name for name, _ in seen]), [count for _, count in seen]
    # a picture with fewer prompts than others of its batch has columns of padding behind its own
    similar = {
        name: [round(float(v), 6) for v in values[row, :count]]
        for name, count, values in zip(names, counts, result.similarities, strict=True)
    }
    loss, finite = round(float(result.loss[row]), 6), bool(result.finite[row])
    metadata = {
        "settings": settings,
        "clip": clips,
        "steps_done": result.steps,
        "scores": {"loss": loss, "similarities": similar},
    }
    if given:
        metadata["given_in_python"] = given
    pixels = to_uint8(result.images[row])
    return Result(pixels, picture.prompt, picture.seed, picture.index, loss, similar, result.steps, finite, metadata)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that came before: a, b, a -> a, b, a#2."""
    counted = [(name, list(names[: i + 1]).count(name)) for i, name in enumerate(names)]
    return [name if count == 1 else f"{name}#{count}" for name, count in counted]
