"""The numbers of a constraint at one epoch, from what YAML gives, as a run hands them to `value`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastclipgen.guidance.frame_constraints.base import FrameConstraint, Manner
from fastclipgen.guidance.frame_constraints.registry import CONSTRAINTS
from fastclipgen.guidance.transforms.base import Draws
from fastclipgen.recipes.options import REQUIRED
from fastclipgen.recipes.values import read
from fastclipgen.recipes.variables import Schedule

COMMON = {"weight", "start", "end", "loss"}  # of all constraints: what becomes of them is not theirs


def values_at(constraint: FrameConstraint, given: dict[str, Any]) -> dict[str, Any]:
    """Values of [1, 1] and [1, 1, k], tables of [K, k]; options left out have their defaults."""
    assert given.keys() <= constraint.options.keys() | COMMON
    values: dict[str, Any] = {}
    for name, option in constraint.options.items():
        raw = given.get(name, option.default)
        assert raw is not REQUIRED, f"{constraint.name} needs {name}"
        value = read(option.parameter, raw, f"{constraint.name}.{name}")
        if option.table:
            values[name] = torch.tensor(option.table([str(item) for item in value.items]))
        else:
            values[name] = None if None in value.items else value.over(Schedule(1))[0][:, None].float()
    return values


def draws(pictures: int = 1, frames: int = 1, step: int | Tensor = 0) -> Draws:
    return Draws(torch.arange(pictures) + 7, step, frames, place=1)


def value_of(name: str, frames: Tensor, manner: Manner | None = None, **given: Any) -> Tensor:
    """[B, N] of frames [B, N, 3, S, S], or of one frame [3, S, S] the number [1, 1]; by options as YAML gives them."""
    if frames.ndim == 3:
        frames = frames[None, None]
    constraint = CONSTRAINTS[name]
    at = draws(frames.shape[0], frames.shape[1])
    return constraint.value(frames, values_at(constraint, given), manner or Manner(), at)
