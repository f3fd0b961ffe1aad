"""The shapes world: procedurally drawn pictures with captions and labels, seeded and reproducible.

Twelve colours, ten shapes, sizes and places, plain and patterned grounds, two objects with relations. Picture i of a
seed is the same whatever batch it comes in. Training code sees it through `ShapesDataset`; the parts are in shapes_sdf
(outlines), shapes_scene (random scenes), shapes_render (pixels) and shapes_captions (sentences).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from fastclipgen.data.palette import COLOURS
from fastclipgen.data.shapes_captions import say, state
from fastclipgen.data.shapes_render import render
from fastclipgen.data.shapes_scene import FACTS, PATTERNS, PLACES, SIZES, Scenes, draw_scenes
from fastclipgen.data.shapes_sdf import SHAPES

HELD_OUT_SEED = 1_000_003  # scenes of this seed are never trained on

__all__ = ["COLOURS", "FACTS", "HELD_OUT_SEED", "PATTERNS", "PLACES", "SHAPES", "SIZES", "ShapesBatch", "ShapesDataset"]


@dataclass
class ShapesBatch:
    """images float32 [n, S, S, 3] in 0..1; captions: per picture a list of sentences, all true of it;
    statements int64 [n, captions, 11]: what each sentence says (see shapes_captions); scenes: the labels."""

    images: np.ndarray
    captions: list[list[str]]
    statements: np.ndarray
    scenes: Scenes


class ShapesDataset:
    """Random access to the shapes world: picture i of `seed` (0..2**31-1), `size` pixels square."""

    def __init__(self, seed: int = 0, size: int = 64) -> None:
        self.seed = seed
        self.size = size

    def scenes(self, indices: Sequence[int] | np.ndarray) -> Scenes:
        """The scenes of the indices (0..2**32-1), without drawing them."""
        return draw_scenes(self.seed, np.asarray(indices, dtype=np.int64))

    def mixed(self, step: int, batch: int, easy: float) -> np.ndarray:
        """The indices of a step's batch: `easy` (a share) of it show one object, not small, on a plain ground, and
        stand in front; the rest are any. No index comes in two steps."""
        indices = 6 * batch * step + np.arange(6 * batch)
        facts = self.scenes(indices).facts
        simple = np.flatnonzero((facts[:, 0] == 1) & (facts[:, 8] == 0) & (facts[:, 3] >= 1))[: round(easy * batch)]
        rest = np.setdiff1d(np.arange(len(indices)), simple)[: batch - len(simple)]
        return indices[np.concatenate([simple, rest])]

    def images(self, indices: Sequence[int] | np.ndarray, camera: np.ndarray | None = None) -> np.ndarray:
        """float32 [n, S, S, 3] in 0..1; camera as in `shapes_render.render`."""
        return render(self.scenes(indices), self.size, camera)

    def captions(
        self, scenes: Scenes, indices: Sequence[int] | np.ndarray, per_image: int = 1
    ) -> tuple[list[list[str]], np.ndarray]:
        """Sentences and the statements they make, `per_image` for each scene; the same for the same index."""
        texts, statements = [], np.empty((len(scenes), per_image, len(FACTS)), dtype=np.int64)
        for row, index in enumerate(np.asarray(indices)):
            rng = Random(self.seed << 32 | int(index))
            texts.append([])
            for k in range(per_image):
                statements[row, k] = state(scenes.facts[row], rng)
                texts[row].append(say(statements[row, k], rng))
        return texts, statements

    def batch(
        self, indices: Sequence[int] | np.ndarray, per_image: int = 1, camera: np.ndarray | None = None
    ) -> ShapesBatch:
        """Pictures, captions and labels of the given indices."""
        scenes = self.scenes(indices)
        captions, statements = self.captions(scenes, indices, per_image)
        return ShapesBatch(render(scenes, self.size, camera), captions, statements, scenes)
