"""What a constraint of CLIPig's grammar is: a batched loss of the frames that the perceptor sees.

To add one: a class in the file of its kind, its name in `CONSTRAINTS` (registry.py), a test with literal values.
tests/guidance/frame_constraints/test_all.py asks of it what all constraints promise. The reader, the schema and the
reference page know it from its declaration.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from fastclipgen.guidance.transforms.base import Draws, Values
from fastclipgen.recipes.options import Option


@dataclass(frozen=True)
class Manner:
    """How distances count; the same for a whole run.

    loss: "l1", the distance itself, or "l2", its square. hinge: only what lies on the wrong side of a threshold (the
    documented meaning); False: any distance to it, as CLIPig's code has had it since 12 May 2021. pooled: `mean`, `std`
    and `saturation` are one number of all channels together, as in CLIPig's files of before that day, instead of one of
    each. drift: `noise` compares with a picture that follows the frame, which leaves it without any effect, as in
    CLIPig's code.
    """

    loss: str = "l2"
    hinge: bool = True
    pooled: bool = False
    drift: bool = False

    def cost(self, apart: Tensor) -> Tensor:
        """Of differences, each by itself."""
        return apart.abs() if self.loss == "l1" else apart.square()


class FrameConstraint:
    """Base of all. `options`: its own, beside weight, start, end and loss, which all of them have. `help`: a sentence
    or two, with its factor; `example`: values of its options as YAML gives them, every REQUIRED one among
    them, and of the common ones where that shows something."""

    name: ClassVar[str]
    help: ClassVar[str]
    options: ClassVar[dict[str, Option]]
    example: ClassVar[dict[str, Any]]

    def check(self, given: Set[str]) -> str | None:
        """What is wrong with having been given just these of its options, as the end of an error ("expected ...");
        None if nothing. Options that must be given by themselves are the reader's to miss."""
        return None

    def value(self, frames: Tensor, values: Values, manner: Manner, draws: Draws) -> Tensor:
        """The loss [B, N] of frames [B, N, 3, S, S] in 0..1, factors included, weight not; a mean over the frame, so
        that a weight means the same at every size.

        values: as of transforms, but each number may differ from frame to frame, since it may depend on a similarity:
        a list of k is [B or 1, N or 1, k], a single one [B or 1, N or 1]; a table (`Option.table`) is [K, k], the same
        for all. draws: for as many frames as there are. Differentiable with regard to the frames, with a finite slope
        for plain ones too; compiles to one graph that no number of `values` compiles again.
        """
        raise NotImplementedError
