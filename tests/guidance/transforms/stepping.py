"""The numbers of a transform at one epoch, from what YAML gives, as a run hands them to `apply`."""

from __future__ import annotations

from typing import Any

import torch

from fastclipgen.guidance.transforms.base import Draws, Transform
from fastclipgen.recipes.options import REQUIRED
from fastclipgen.recipes.values import read
from fastclipgen.recipes.variables import Schedule

EPOCHS = 3


def values_at(transform: Transform, given: dict[str, Any], epoch: int = 1, size: tuple[int, int] = (32, 24)) -> Any:
    """Values of [1] and [1, k] for a picture of `size` = (width, height); options left out have their defaults."""
    assert given.keys() <= transform.options.keys()
    width, height = (torch.full((EPOCHS, 1), side) for side in size)
    schedule = Schedule(EPOCHS).with_resolution(width, height).with_learnrate(torch.ones(EPOCHS, 1), torch.ones(1, 1))
    values: dict[str, Any] = {}
    for name, option in transform.options.items():
        raw = given.get(name, option.default)
        assert raw is not REQUIRED, f"{transform.name} needs {name}"
        value = read(option.parameter, raw, f"{transform.name}.{name}")
        if value.kind is str:
            values[name] = value.texts(schedule)[epoch]
        elif None in value.items:
            values[name] = None
        else:
            numbers = value.over(schedule)[epoch]
            values[name] = _of_host(numbers) if option.shape else numbers.float()
    return values


def _of_host(numbers: torch.Tensor) -> Any:
    return int(numbers) if numbers.ndim == 1 else tuple(int(number) for number in numbers[0])


def draws(pictures: int = 1, frames: int = 1, step: int | torch.Tensor = 0) -> Draws:
    return Draws(torch.arange(pictures) + 7, step, frames, place=1)
