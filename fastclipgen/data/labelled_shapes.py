"""The shapes world with attributes: the facts of a scene as named bits, and a caption of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastclipgen.data.labels import Labels
from fastclipgen.data.order import Order
from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes import ShapesDataset
from fastclipgen.data.shapes_scene import FACTS, PATTERNS, PLACES, SIZES
from fastclipgen.data.shapes_sdf import SHAPES
from fastclipgen.data.source import ShapesSource

# What an attribute speaks of, the columns of FACTS where it may stand, the first value there, and the values' names.
_GROUPS: tuple[tuple[str, tuple[str, ...], int, tuple[str, ...]], ...] = (
    ("objects", ("objects",), 1, ("one", "two")),
    ("shape", ("shape0", "shape1"), 0, SHAPES),
    ("colour", ("colour0", "colour1"), 0, COLOURS),
    ("size", ("size0",), 0, SIZES),
    ("place", ("place",), 0, PLACES),
    ("arranged", ("axis",), 0, ("side by side", "one above the other")),
    ("pattern", ("pattern",), 0, PATTERNS),
    ("background", ("ground0", "ground1"), 0, COLOURS),
)
ATTRIBUTES: tuple[str, ...] = tuple(f"{what}:{name}" for what, _, _, names in _GROUPS for name in names)
_BLOCK = 256  # scenes of a step of `shapes:EASY`, where a finite set of them is drawn


def attributes(facts: np.ndarray) -> Tensor:
    """Facts of scenes, int64 [n, 11] with columns FACTS -> float32 [n, len(ATTRIBUTES)], 0 or 1.

    Of two objects, an attribute is there that one of them has. Size and place are known of single objects only.
    """
    parts = []
    for _, columns, first, names in _GROUPS:
        values = facts[:, [FACTS.index(column) for column in columns]] - first  # [n, columns]
        parts.append((values[:, :, None] == np.arange(len(names))).any(1))
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))


class LabelledShapes(ShapesSource):
    """The shapes world as data.labelled.LabelledSource.

    pictures: 0 has a new scene for every place of every step, and a picture's number is its scene's; N has the first N
    of these only, which every epoch brings in another order.
    """

    attribute_names = ATTRIBUTES

    def __init__(self, size: int, seed: int, batch: int, easy: float | None = None, pictures: int = 0) -> None:
        super().__init__(size, seed, batch, easy)
        self.pictures = pictures or None
        if pictures:
            self._order = Order(seed, pictures)
            self._scenes = self._first(pictures)

    def identity(self) -> dict[str, Any]:
        return super().identity() | ({} if self.pictures is None else {"scenes": self.pictures})

    def numbers(self, step: int, places: range) -> Tensor:
        if self.pictures is None:
            return torch.from_numpy(super().indices(step, places))
        return torch.from_numpy(self._order.at(step * self._batch + np.asarray(places)))

    def indices(self, step: int, places: range) -> np.ndarray:
        return self._of(self.numbers(step, places).numpy())

    def attributes(self, numbers: np.ndarray) -> Tensor:
        return attributes(self._data.scenes(self._of(numbers)).facts)

    def captions(self, numbers: np.ndarray) -> list[str]:
        return self._labels(self._data, self._of(numbers)).captions

    def labels(self, step: int, places: range) -> Labels:
        return self._labels(self._data, self.indices(step, places))

    def held_out_labels(self, count: int) -> Labels:
        return self._labels(self._held_out, self.held_out_indices(count))

    def _of(self, numbers: np.ndarray) -> np.ndarray:
        """The scenes of the pictures' numbers."""
        return numbers if self.pictures is None else self._scenes[numbers]

    def _first(self, count: int) -> np.ndarray:
        if self._easy is None:
            return np.arange(count)
        blocks = [self._data.mixed(step, _BLOCK, self._easy) for step in range(-(-count // _BLOCK))]
        return np.concatenate(blocks)[:count]

    @staticmethod
    def _labels(data: ShapesDataset, indices: np.ndarray) -> Labels:
        scenes = data.scenes(indices)
        return Labels(attributes(scenes.facts), [texts[0] for texts in data.captions(scenes, indices)[0]])
