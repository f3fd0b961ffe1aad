"""Shapes of 16 pixels with conditions, without a CLIP: its place is taken by a matrix."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.data.labelled_shapes import ATTRIBUTES, LabelledShapes
from fastclipgen.perceptors import as_perceptor
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.training.conditions import Conditions

SIZE, WIDTH = 16, 12


class Told:
    """training.conditions.Conditioned of the shapes world; an embedding is a random turn of the attributes."""

    attribute_names, width = ATTRIBUTES, WIDTH

    def __init__(self, seed: int, batch: int) -> None:
        self.source = LabelledShapes(SIZE, seed, batch)
        self.turn = torch.randn(len(ATTRIBUTES), WIDTH, generator=torch.Generator().manual_seed(0))

    def identity(self) -> dict[str, Any]:
        return {**self.source.identity(), "size": SIZE}

    def batch(self, step: int, places: range) -> tuple[Tensor, Conditions]:
        return self.source.batch(step, places), self._conditions(self.source.labels(step, places).attributes)

    def held_out(self, count: int) -> tuple[Tensor, Conditions]:
        return self.source.held_out(count), self._conditions(self.source.held_out_labels(count).attributes)

    def _conditions(self, attributes: Tensor) -> Conditions:
        return Conditions(attributes, F.normalize(attributes @ self.turn, dim=1))


class Eye(nn.Module):
    """Sees colours of four quarters."""

    image_size, name = 8, "eye"

    def encode_image(self, views: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(views - 0.5, 2).flatten(1)  # [M, 12]

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.tensor([[float(len(text))] * WIDTH for text in texts])


def eye() -> FrozenPerceptor:
    return as_perceptor(Eye())
