r"""Constraints: losses on the picture itself, without a perceptor, written NAME[:WEIGHT[:OPTION...]].

An option is KEY=VALUE; the first one that a loss has may be written without its key: "tv:0.2", "smoothness:1:log",
"palette:2:black->red->white\16", "edge:0.5:colour=white:margin=10". All of them take anneal=N: the weight grows by 1/N
of itself at each step, from 0 (clipit's annealing).

To add one: a function in picture_losses.py, its name in `LOSSES`, its options in `OPTIONS`, `NEEDS_START` if it reads
`start`, `FRAMED` if it knows where the picture ends, and a test with literal values in
tests/guidance/test_constraints.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from fastclipgen.errors import UserError, unknown
from fastclipgen.guidance import picture_losses as losses
from fastclipgen.guidance.palette import parse_colour, parse_palette
from fastclipgen.guidance.prompts import MAX_WEIGHT

LOSSES: dict[str, Callable[..., Tensor]] = {
    "tv": losses.tv,
    "colour_tv": losses.colour_tv,
    "l1": losses.l1,
    "l2": losses.l2,
    "saturation": losses.saturation,
    "range": losses.value_range,
    "smoothness": losses.smoothness,
    "colourfulness": losses.colourfulness,
    "palette": losses.palette,
    "symmetry": losses.symmetry,
    "edge": losses.edge,
    "gaussian": losses.gaussian,
}
NEEDS_START = frozenset({"l1", "l2"})
FRAMED = frozenset({"edge", "gaussian", "symmetry"})  # see what is published, not the margin that some generators have
ANNEAL = "anneal"


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise unknown("choice", text, names)
        return text

    return parse


def _percent(text: str, low: float = 0.0, high: float = 100.0) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UserError(f"expected a number from {low:g} to {high:g} (per cent), got '{text}'; correct it")
    return value


def _margins(text: str) -> tuple[float, ...]:
    values = tuple(_percent(part) for part in text.split(","))
    if len(values) not in (1, 4):
        raise UserError(f"expected one margin, or four (left, top, right, bottom), got '{text}'; correct it")
    return values


def _steps(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"expected {ANNEAL}=N with a number of steps above 0, got '{text}'; correct it")
    return value


# Of each loss its options: how they are read, and what they are where they are left out.
OPTIONS: dict[str, dict[str, tuple[Callable[[str], Any], str]]] = {
    "smoothness": {"type": (_one_of("default", "clipped", "log"), "default")},
    "palette": {"colours": (parse_palette, "black->white")},
    "symmetry": {"axis": (_one_of("horizontal", "vertical", "both"), "horizontal")},
    "edge": {"colour": (lambda text: (parse_colour(text),), "white"), "margin": (_margins, "5")},
    "gaussian": {
        "colour": (lambda text: (parse_colour(text),), "white"),
        "std": (lambda text: _percent(text, 1.0, 1000.0), "25"),
    },
}


@dataclass(frozen=True)
class Constraint:
    """A known loss and its weight.

    options: texts by name, those left out as in OPTIONS. anneal: the weight is multiplied by step / anneal; 0: it is
    not. Raises UserError for an unknown name or option, and a weight that is not finite.
    """

    name: str
    weight: float = 1.0
    options: tuple[tuple[str, str], ...] = ()
    anneal: float = 0.0
    plain: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    colours: Tensor | None = field(default=None, compare=False, repr=False)  # [K, 3], where the loss reads some

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise unknown("constraint", self.name, LOSSES)
        if not abs(self.weight) <= MAX_WEIGHT:  # written so that NaN fails too
            raise UserError(
                f"expected a weight between -{MAX_WEIGHT:g} and {MAX_WEIGHT:g} for constraint '{self.name}', "
                f"got {self.weight}; write for example '{self.name}:0.5'"
            )
        known, given = OPTIONS.get(self.name, {}), dict(self.options)
        for key in given:
            if key not in known:
                raise unknown(f"option of constraint '{self.name}'", key, [*known, ANNEAL])
        values = {key: parse(given.get(key, default)) for key, (parse, default) in known.items()}
        found = values.pop("colours", None) or values.pop("colour", None)
        object.__setattr__(self, "plain", values)
        if found is not None and self.colours is None:
            object.__setattr__(self, "colours", torch.tensor(found, dtype=torch.float32))

    def to(self, device: torch.device) -> Constraint:
        """The same with its colours on a device."""
        return self if self.colours is None else replace(self, colours=self.colours.to(device))


def parse_constraint(source: str) -> Constraint:
    """NAME[:WEIGHT[:OPTION...]], weight 1 by default. Raises UserError for an unknown name or option, and a weight that
    is no number."""
    name, *rest = (part.strip() for part in source.split(":"))
    if name not in LOSSES:
        raise unknown("constraint", name, LOSSES)
    try:
        weight = float(rest[0]) if rest else 1.0
    except ValueError:
        raise UserError(
            f"expected NAME[:WEIGHT] with a number as weight, got '{source}' as constraint; write for example 'tv:0.2'"
        ) from None
    options: dict[str, str] = {}
    for place, text in enumerate(rest[1:]):
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            first = next(iter(OPTIONS.get(name, {})), None)
            if place or first is None:
                raise UserError(
                    f"expected KEY=VALUE behind the weight of constraint '{name}', got '{text}'; correct it"
                )
            key, value = first, text
        if key in options:
            raise UserError(f"option '{key}' of constraint '{name}' was given twice in '{source}'; give it once")
        options[key] = value
    anneal = _steps(options.pop(ANNEAL)) if ANNEAL in options else 0.0
    return Constraint(name, weight, tuple(options.items()), anneal)


def needs_start(constraints: Sequence[Constraint]) -> bool:
    """Whether any of them compares with the start picture."""
    return any(constraint.name in NEEDS_START for constraint in constraints)


def total(
    constraints: Sequence[Constraint],
    images: Tensor,
    start: Tensor | None = None,
    step: int | Tensor = 0,
    published: Tensor | None = None,
) -> Tensor:
    """Weighted sum of the constraints [B] for images [B,3,H,W]; zeros when there are none.

    `start` [B,3,H,W]: the pictures the run began with (the start picture, or what the first parameters show).
    `published` [B,3,h,w]: their part without a margin (None: all). Raises UserError when `start` is None and a
    constraint needs it.
    """
    if start is None and needs_start(constraints):
        raise UserError("constraints l1 and l2 compare with the start picture, but there is none; give a start picture")
    reference = images if start is None else start
    loss = images.new_zeros(images.shape[0])
    for constraint in constraints:
        seen = published if published is not None and constraint.name in FRAMED else images
        found = constraint.weight * _value(constraint, seen, reference)
        loss = loss + (found * step / constraint.anneal if constraint.anneal else found)
    return loss


def _value(constraint: Constraint, images: Tensor, start: Tensor) -> Tensor:
    function = LOSSES[constraint.name]
    if constraint.colours is None:
        return function(images, start, **constraint.plain)
    return function(images, start, colours=constraint.colours, **constraint.plain)
