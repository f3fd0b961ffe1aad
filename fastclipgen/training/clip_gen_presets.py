"""What `--transformer` stands for besides layers and width: what goes with each size unless something else is given.

The large ones are trained as clip-gen trains them (HFAiLab/clip-gen, Wang et al. 2022); the small one is what ships.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastclipgen.errors import unknown
from fastclipgen.models.transformer import LARGE, MEDIUM, Geometry


@dataclass(frozen=True)
class Preset:
    """The fields of clip_gen_setup.ClipGenOptions and of training.task.TrainOptions that differ between the sizes."""

    geometry: Geometry
    size: int  # pixels of a picture's side
    dropout: float
    condition_noise: float
    condition_dropout: float
    rate: float  # learning rate, for a batch of `rate_for` pictures or, where that is 0, for any
    rate_for: int
    warmup: float  # share of the steps

    def learning_rate(self, batch: int) -> float:
        return self.rate * batch / self.rate_for if self.rate_for else self.rate


def _clip_gen(geometry: Geometry) -> Preset:
    return Preset(
        geometry, size=256, dropout=0.1, condition_noise=0.0, condition_dropout=0.0, rate=5e-4, rate_for=256, warmup=0.1
    )


PRESETS = {
    "tiny": Preset(
        Geometry(layers=4, width=192, heads=3), size=64, dropout=0.0, condition_noise=0.6, condition_dropout=0.1,
        rate=2e-3, rate_for=0, warmup=0.05,
    ),
    "gpt2-medium": _clip_gen(MEDIUM),
    "gpt2-large": _clip_gen(LARGE),
}  # fmt: skip


def preset(name: str) -> Preset:
    """The preset of this name. Raises UserError where there is none."""
    if name not in PRESETS:
        raise unknown("transformer", name, PRESETS)
    return PRESETS[name]
