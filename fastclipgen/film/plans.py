"""What is made of what: a frame and its sources, and the order in which the frames of a film can be made.

A plan is a row of stages. The frames of one stage know nothing of each other and are optimised together; a later stage
starts from what earlier ones left on the disk, so that a film which was broken off goes on where it was. What could not
be made is passed over by those that would have come from it. Knows nothing of how a frame is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fastclipgen.errors import UserError
from fastclipgen.film.frames import targets_of


@dataclass(frozen=True)
class Frame:
    """A picture to be made: from `source`, with `over` (PATH:OPACITY) laid over that, into `target`."""

    source: Path
    target: Path
    over: str | None = None


class Plan(Protocol):
    """`sources`: the files of the beginning; `targets`: of every stage, what it makes; `shown`: the film."""

    sources: Sequence[Path]

    @property
    def targets(self) -> list[list[Path]]: ...

    @property
    def shown(self) -> list[Path]: ...

    def stages(self) -> Iterator[list[Frame]]:
        """The frames of each stage, asked for when the one before it is done."""
        ...


class Styled:
    """Every file becomes a picture of its name in `folder`. previous: opacity 0..1 of the picture before it over each
    file, so that they come one after the other; 0: all at once. Raises UserError."""

    def __init__(self, sources: Sequence[Path], folder: Path, previous: float = 0.0) -> None:
        _check_opacity("previous", previous)
        self.sources, self.previous = sources, previous
        self._targets = targets_of(sources, folder)

    @property
    def targets(self) -> list[list[Path]]:
        return [[target] for target in self._targets] if self.previous else [self._targets]

    @property
    def shown(self) -> list[Path]:
        return self._targets

    def stages(self) -> Iterator[list[Frame]]:
        pairs = list(zip(self.sources, self._targets, strict=True))
        if not self.previous:
            yield [Frame(source, target) for source, target in pairs]
            return
        before: Path | None = None
        for source, target in pairs:
            yield [Frame(source, target, before and f"{before}:{self.previous}")]
            before = target if target.exists() else before


class Animated:
    """clipit's animation: the pictures of a folder go through `rounds` rounds, each in a folder of its own. Between
    them the picture before it is laid over each with opacity `alpha` 0..1, the last one over the first, as the film
    goes round. Raises UserError."""

    def __init__(self, sources: Sequence[Path], folder: Path, rounds: int, alpha: float) -> None:
        _check_opacity("alpha", alpha)
        if rounds < 1:
            raise UserError(f"expected 1 round or more of an animation, got {rounds}")
        self.sources, self.alpha = sources, alpha
        width = max(2, len(str(rounds)))
        self._targets = [targets_of(sources, folder / f"round-{n:0{width}}") for n in range(1, rounds + 1)]

    @property
    def targets(self) -> list[list[Path]]:
        return self._targets

    @property
    def shown(self) -> list[Path]:
        return self._targets[-1]

    def stages(self) -> Iterator[list[Frame]]:
        now = list(enumerate(self.sources))  # of the pictures that have come so far: their number and newest file
        for n, targets in enumerate(self._targets):
            blended = n > 0 and self.alpha > 0 and len(now) > 1
            yield [
                Frame(file, targets[number], f"{now[place - 1][1]}:{self.alpha}" if blended else None)
                for place, (number, file) in enumerate(now)
            ]
            now = [(number, targets[number]) for number, _ in now if targets[number].exists()]


def _check_opacity(name: str, value: float) -> None:
    if not 0 <= value <= 1:  # written so that NaN fails too
        raise UserError(f"expected an opacity from 0 to 1 for {name}, got {value}")
