"""From a timetable to what the step computes: the scene and the retouch of a phase, and what its targets look for.

Loads the pictures that features and masks name. Knows nothing of how steps are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fastclipgen.experiments.experiment import Experiment, Feature, Held, Item
from fastclipgen.experiments.retouching import Retouching
from fastclipgen.experiments.scene import (
    Eye,
    Scene,
    Shot,
    ShotConstraint,
    ShotLink,
    auto_scale_of,
    features_of,
)
from fastclipgen.experiments.stored import text_of
from fastclipgen.experiments.tables import Column
from fastclipgen.experiments.timetable import Timed, TimedTarget, Timetable
from fastclipgen.generators.base import Generator
from fastclipgen.guidance.features import fair_scales, similarity
from fastclipgen.guidance.frame_constraints.base import Manner
from fastclipgen.guidance.frame_constraints.thresholds import EdgeMax
from fastclipgen.guidance.targets import encode_picture, encode_texts, encode_views, resized
from fastclipgen.outputs.load import fit, load_image, load_mask

OLD_CONSTRAINT = EdgeMax.name


def is_old(experiment: Experiment) -> bool:
    """Whether CLIPig could draw this file before 12 May 2021 only: it names a constraint that was dropped then."""
    return any(held.kind.name == OLD_CONSTRAINT for target in experiment.targets for held in target.constraints)


def manner_of(loss: str, compat: bool, old: bool) -> Manner:
    """How distances count. With compat as in the code that drew such a file: `old` code knew the hinge, and took mean
    and deviation over all channels together."""
    return Manner(loss, hinge=not compat or old, pooled=compat and old, drift=compat)


class Stage:
    """What the pictures of one timetable are compared with, each text and file encoded once. places: which of the run's
    pictures they are. Raises UserError for files that cannot be read."""

    def __init__(
        self,
        timetable: Timetable,
        eyes: Sequence[Eye],
        device: torch.device,
        deterministic: bool,
        notice: Callable[[str], None],
        places: Sequence[int],
    ) -> None:
        self._timetable, self._eyes, self._device = timetable, tuple(eyes), device
        self._deterministic, self._notice, self._places = deterministic, notice, list(places)
        self._compat = timetable.experiment.compat
        self._old = is_old(timetable.experiment)
        self._masks: dict[tuple[str, int, int], Tensor] = {}
        self._encoded: dict[tuple[int, str, bool], Tensor] = {}  # by model, text or path, and whether it is a path
        self._values = timetable.sheet.tables()

    def tables(self, pictures: Tensor, rows: Sequence[int]) -> dict[str, Tensor]:
        """Everything that goes into the tables of a task for these rows of the timetable. pictures: those that they
        begin with, [B, 3, H, W]."""
        found = {name: table[list(rows)] for name, table in self._values.items()}
        for number, target in enumerate(self._timetable.targets):
            for k, eye in enumerate(self._eyes):
                features = self._features([one.feature for one in target.features], k, rows)
                scale = torch.ones(features.shape[:2], device=self._device)
                if target.target.feature_scale == "fair":
                    side = eye.perceptor.image_size
                    seen = encode_views(eye.perceptor, resized(fit(pictures, side, side), side))
                    scale = fair_scales(similarity(seen[:, None], features)[:, 0]).float()
                found[features_of(number, k)] = features
                found[auto_scale_of(number, k)] = scale
        return found

    def scene(self, epochs: Sequence[int]) -> Scene:
        """The objective at these epochs, which are of one shape."""
        shots = [
            self._shot(number, target, epochs)
            for number, target in enumerate(self._timetable.targets)
            if target.switch.on(epochs[0])
        ]
        return Scene(self._eyes, tuple(shots), self._deterministic)

    def retouching(self, epochs: Sequence[int], generator: Generator) -> Retouching | None:
        """The post-processing at these epochs, for a generator that `reencodes`; None where there is none."""
        links = self._links(self._timetable.postproc, epochs)
        return Retouching(generator, links) if links else None

    def _links(self, items: Sequence[Timed], epochs: Sequence[int]) -> tuple[ShotLink, ...]:
        found = []
        for timed in items:
            on = timed.switch.among(epochs)
            if on is not False and isinstance(timed.item, Item):
                switch = on if isinstance(on, Column) else None
                found.append(ShotLink(timed.item.kind, timed.bound.at(epochs[0]), timed.place, switch))
        return tuple(found)

    def _constraints(self, items: Sequence[Timed], epochs: Sequence[int]) -> tuple[ShotConstraint, ...]:
        found = []
        for timed in items:
            on = timed.switch.among(epochs)
            if on is False or not isinstance(timed.item, Held) or timed.weight is None:
                continue
            held, switch = timed.item, on if isinstance(on, Column) else None
            manner = manner_of(held.loss, self._compat, self._old)
            settled = timed.bound.at(epochs[0])
            found.append(ShotConstraint(held.kind, settled, timed.weight, manner, held.path, timed.place, switch))
        return tuple(found)

    def _shot(self, number: int, timed: TimedTarget, epochs: Sequence[int]) -> Shot:
        target, on = timed.target, timed.switch.among(epochs)
        return Shot(
            number,
            timed.frames(epochs[0], self._compat),
            self._links(timed.links, epochs),
            self._constraints(timed.constraints, epochs),
            tuple(one.weight for one in timed.features),
            tuple(one.scale for one in timed.features),
            tuple(one.switch.column for one in timed.features),
            tuple(one.feature.loss for one in timed.features),
            target.select,
            timed.weight,
            on if isinstance(on, Column) else None,
            None if target.mask is None else self.mask(target.mask, *self._timetable.size(epochs[0])),
        )

    def mask(self, path: str, height: int, width: int) -> Tensor:
        """[1, 1, height, width]."""
        key = path, height, width
        if key not in self._masks:
            self._masks[key] = load_mask(path, height, width)[None].to(self._device)
        return self._masks[key]

    def _features(self, features: Sequence[Feature], eye: int, rows: Sequence[int]) -> Tensor:
        """float32 [B, F, E] of unit length."""
        perceptor = self._eyes[eye].perceptor
        columns = [torch.zeros(len(rows), 0, perceptor.embed_dim, device=self._device)]
        for feature in features:
            if feature.image is not None:
                key = eye, feature.image, True
                if key not in self._encoded:
                    self._encoded[key] = self._picture(feature.image, self._eyes[eye]).to(self._device)
                column = self._encoded[key].expand(len(rows), -1)
            else:
                texts = [text_of(feature.texts, self._places[row]) for row in rows]
                new = [text for text in dict.fromkeys(texts) if (eye, text, False) not in self._encoded]
                if new:
                    found = encode_texts(perceptor, new).to(self._device)
                    self._encoded |= {(eye, text, False): one for text, one in zip(new, found, strict=True)}
                column = torch.stack([self._encoded[eye, text, False] for text in texts])
            columns.append(column[:, None])
        return torch.cat(columns, 1)

    def _picture(self, path: str, eye: Eye) -> Tensor:
        """float32 [E]; in compat of the centre alone, as CLIP's own preprocessing crops it."""
        image = load_image(path, notice=self._notice).to(self._device)
        if not self._compat:
            return encode_picture(eye.perceptor, image)
        side = eye.perceptor.image_size
        return normalize(encode_views(eye.perceptor, fit(image, side, side)[None])[0], dim=0)
