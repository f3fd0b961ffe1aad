"""Modules of the user's own as the perceptors of a run, and how perceptors are shown and stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fastclipgen.errors import UserError
from fastclipgen.perceptors.auto import LoadedPerceptor
from fastclipgen.perceptors.base import as_perceptor


def adopt(given: Sequence[Any] | nn.Module, device: torch.device, dtype: torch.dtype) -> list[LoadedPerceptor]:
    """The modules, each alone or with a weight, moved to the device in this type.

    Raises UserError for none at all, for a weight of 0 or one that is not finite, and for what `as_perceptor` refuses.
    """
    loaded = []
    for item in [given] if isinstance(given, nn.Module) else given:
        module, weight = item if isinstance(item, tuple) and len(item) == 2 else (item, 1.0)
        perceptor = as_perceptor(module)
        if not isinstance(weight, (int, float)) or not math.isfinite(weight) or weight == 0:
            raise UserError(
                f"expected a finite number other than 0 as weight of perceptor '{perceptor.name}', got {weight!r}"
            )
        perceptor.to(device, dtype)
        loaded.append(LoadedPerceptor(perceptor, float(weight), f"{perceptor.name} (given)", False))
    if not loaded:
        raise UserError("expected at least one perceptor, got an empty list; leave it out for the default")
    return loaded


def shown(loaded: Sequence[LoadedPerceptor], own: bool) -> list[str]:
    """The models that guide, as they are shown and stored; how they were found is not part of a picture. own: they are
    modules of the user's."""
    eyes = [one.perceptor for one in loaded]
    return [f"{eye.name} ({'given' if own else f'{eye.image_size} px'})" for eye in eyes]
