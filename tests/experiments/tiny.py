"""Experiments of a few lines under a perceptor that takes no time."""

from __future__ import annotations

import zlib
from typing import Any

import torch
from torch import Tensor, nn

from fastclipgen.experiments.experiment import Experiment
from fastclipgen.experiments.job import Carry, ExperimentJob
from fastclipgen.experiments.overrides import parse_override
from fastclipgen.experiments.reading import experiment_of
from fastclipgen.experiments.sources import shaped
from fastclipgen.experiments.timetable import Timetable
from fastclipgen.recipes.documents import parse_document
from fastclipgen.result import Result

SIZE = 16
HEAD = "epochs: 4\nresolution: 16\nseed: 7\n"
FOX = "targets: [{features: [text: a fox]}]\n"


class Toy(nn.Module):
    """Embeds 16 x 16 pictures by a fixed random linear map; a text is six numbers that depend on its letters."""

    image_size = SIZE
    mean, std = (0.5, 0.4, 0.3), (0.25, 0.5, 0.75)

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(6, 3 * SIZE * SIZE, generator=generator) / 28)

    def encode_image(self, views: Tensor) -> Tensor:
        return views.flatten(1) @ self.weight.T

    def encode_text(self, texts: list[str]) -> Tensor:
        seeds = [torch.Generator().manual_seed(zlib.crc32(text.encode())) for text in texts]
        return torch.stack([torch.randn(6, generator=seed) for seed in seeds])


def experiment(text: str, *overrides: str) -> Experiment:
    """That of a YAML text, after `HEAD`."""
    return experiment_of(shaped(parse_document(HEAD + text, "test.yaml"), [parse_override(one) for one in overrides]))


def timetable(text: str, *overrides: str) -> Timetable:
    found = experiment(text, *overrides)
    seeds = torch.arange(found.batch, dtype=torch.int64) + (found.seed or 0)
    return Timetable(found, seeds, "cpu")


def job(text: str, *overrides: str, carry: Carry | None = None) -> ExperimentJob:
    return ExperimentJob(experiment(text, *overrides), carry, perceptors=[Toy()], notice=lambda line: None)


def results(made: ExperimentJob, **options: Any) -> list[Result]:
    return [result for batch in made.run(**options) for result in batch]


def state_of(made: ExperimentJob, batch: int = 0) -> dict[str, Tensor]:
    """The parameters and the optimiser's slots where a batch stopped."""
    carried = made.carry()[batch]
    assert carried is not None
    slots = {f"{slot}.{name}": v for slot, of in carried.state.optimizer.slots.items() for name, v in of.items()}
    return {**carried.state.params, **slots, "step": carried.state.optimizer.step}
