"""What became of every feature and constraint of a run: rows for logs and for the file beside the picture.

Sampled now and then, off the step. Knows nothing of how frames are made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from fastclipgen.experiments.experiment import Feature, Target
from fastclipgen.experiments.scene import Scene, Seen

WINDOW = 30  # samples that the figures are of
_LETTERS = 40  # of a feature's text


@dataclass
class Row:
    """A target, a feature or a constraint. losses: of the last samples, the mean of a frame, weighted; of a feature of
    the frames that it is used in, without the target's weight. similarities: of a feature, 100 * cosine * scales. seen,
    used: frames, and those whose loss a feature had a part in."""

    name: str
    kind: str
    seen: int = 0
    used: int = 0
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    similarities: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    @property
    def figures(self) -> deque[float]:
        """The one thing to plot: similarities of a feature, losses of the others."""
        return self.similarities or self.losses

    @property
    def line(self) -> str:
        """For people: mean, least and largest."""
        loss = f"loss {_span(self.losses)}" if self.losses else "no loss"
        if not self.similarities:
            return f"{self.kind} '{self.name}': {loss}"
        used = f"used {100 * self.used / max(self.seen, 1):.0f} %"
        return f"  feature '{self.name}': {loss}, similarity {_span(self.similarities)}, {used}"


class Statistics:
    """Rows by target, in the order of the file; targets that were never seen open have rows without figures."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = [
            (
                Row(target.name, "target"),
                [Row(_shown(one), "feature") for one in target.features],
                {held.path: Row(held.kind.name, "  constraint") for held in target.constraints},
            )
            for target in targets
        ]

    @torch.no_grad()
    def note(self, scene: Scene, seen: Sequence[Seen]) -> None:
        """A sample: what `Scene.look` gave for some pictures. Waits for the device."""
        for shot, one in zip(scene.shots, seen, strict=True):
            target, features, constraints = self._targets[shot.number]
            target.losses.append(float(one.loss.mean()))
            for constraint, loss in zip(shot.constraints, one.held, strict=True):
                constraints[constraint.path].losses.append(float(loss.mean()))
            for place, row in enumerate(features):
                used, parts, similar = (
                    torch.stack([getattr(found, name)[..., place] for found in one.features])
                    for name in ("used", "parts", "similarities")
                )
                row.seen, row.used = row.seen + used.numel(), row.used + int(used.sum())
                row.similarities.append(float(similar.mean()))
                if bool(used.any()):
                    row.losses.append(float(parts[used].mean()))

    @property
    def lines(self) -> list[str]:
        """One of everything that has been seen."""
        return [row.line for row in self.rows if row.figures]

    @property
    def rows(self) -> list[Row]:
        """Of everything, seen or not."""
        return [row for target, features, held in self._targets for row in (target, *features, *held.values())]


def _span(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _shown(feature: Feature) -> str:
    """A feature's text or path, shortened."""
    text = feature.image or feature.text or ""
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 3]}..."
