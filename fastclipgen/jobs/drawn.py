"""A pack drawn: the bytes of its pictures' files, wherever they were drawn. Touches no folder and no store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from fastclipgen.errors import UserError
from fastclipgen.jobs.claims import Stored
from fastclipgen.jobs.store import Group
from fastclipgen.outputs.images import encode
from fastclipgen.outputs.naming import slugify
from fastclipgen.result import Result


class Draws(Protocol):
    """What is needed of a painter.Painter."""

    @property
    def group(self) -> int: ...
    @property
    def decided(self) -> str: ...
    @property
    def together(self) -> int: ...
    def draw(
        self, items: Sequence[Stored], callbacks: Sequence[Callable[[Any], object]], interrupted: Callable[[], bool]
    ) -> list[Result] | None: ...


Opener = Callable[[Group, str | None, Callable[[str], None]], Draws]


class Drawn(NamedTuple):
    """An item's picture: the name and content of its file, or why there is none; seconds: its share of its pack's."""

    number: int
    seconds: float
    loss: float
    file: str = ""
    content: bytes = b""
    error: str | None = None


def draw(
    painter: Draws,
    items: Sequence[Stored],
    callbacks: Sequence[Callable[[Any], object]] = (),
    interrupted: Callable[[], bool] = lambda: False,
) -> list[Drawn] | str | None:
    """The pictures of a pack's items, in order; why they could not be drawn, in a sentence; None where they were
    interrupted. The name of a file follows from its item alone."""
    begun = time.monotonic()
    try:
        results = painter.draw(items, callbacks, interrupted)
    except Exception as error:  # whatever it is, it must not take the other packs with it
        return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    if results is None:
        return None
    seconds = round((time.monotonic() - begun) / len(results), 3)
    return [_encoded(item, result, seconds) for item, result in zip(items, results, strict=True)]


def _encoded(item: Stored, result: Result, seconds: float) -> Drawn:
    if not result.finite:
        why = "its loss became NaN or infinite; lower the learning rate or use fp32"
        return Drawn(item.number, seconds, result.loss, error=why)
    name = f"{item.number:06}-{slugify(item.prompt)}-{item.seed}.png"
    return Drawn(item.number, seconds, result.loss, name, encode(result.pixels, "PNG", result.metadata))
