"""What is measured: the engine's own step, set up through the public API exactly as a run sets it up.

Competitors begin at the same place. Random starts are scored only if asked for: they cost once a run, not every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fastclipgen.api import Job
from fastclipgen.config.run import make_config
from fastclipgen.engine.compiled import use_cache_folder
from fastclipgen.engine.device import resolve_device, resolve_precision
from fastclipgen.engine.engine import Engine
from fastclipgen.engine.recipe import Task
from fastclipgen.engine.sight import score
from fastclipgen.engine.step import begin, canvas, finish
from fastclipgen.engine.stepper import Stepper, Way
from fastclipgen.errors import UserError
from fastclipgen.generators.base import Generator, Params
from fastclipgen.generators.vqgan import Vqgan
from fastclipgen.guidance.prompts import parse_prompts
from fastclipgen.guidance.targets import build_targets

from . import random_vqgan
from .random_clip import PREFIX, random_perceptor

PROMPTS = (
    "a red circle on a blue background",
    "a yellow star on a black background",
    "a green triangle on a white background",
    "a pink heart on a gray background",
    "an orange ring on a purple background",
    "a white cross on a brown background",
    "a cyan diamond on a red background",
    "a black square on a yellow background",
)


SPARE_STEPS = 100_000  # that a run may be timed for beyond the job's own


class Subject:
    """A job's settings and models, and the task of its pictures.

    settings: fields of RunConfig; in `clip` random:ARCHITECTURE stands for one with random weights, and so does
    random:GEOMETRY in `vqgan` (random_vqgan.py), for pictures of a given size. The prompts are repeated, each time with
    new seeds, until there are `pictures` of them. starts: each picture begins at the best of so many random starts.
    Raises UserError.
    """

    def __init__(
        self, pictures: int, settings: dict[str, Any], prompts: Sequence[str] = PROMPTS, starts: int = 1
    ) -> None:
        asked = [prompts[i % len(prompts)] for i in range(pictures)]
        given: dict[str, Any] = {"seed": 0} | settings | {"prompts": asked}
        eyes = _random_clips(given.get("clip") or [])
        self.random = eyes is not None
        generator = _random_generator(given)
        config = make_config(given | ({"clip": []} if eyes else {}))
        self.job = Job(config, generator=generator, perceptors=eyes, notice=lambda line: None)
        self.recipe, self.device = self.job.recipe, self.job.device
        self.rates = self.job.engine.rates.to(self.device)
        perceptors = [one.perceptor for one in self.job.loaded]
        targets = build_targets(perceptors, [parse_prompts(prompt) for prompt in asked], device=self.device)
        seeds = torch.tensor([picture.seed for picture in self.job.pictures], dtype=torch.int64, device=self.device)
        self.task, self.starts = Task(seeds, tuple(targets)), starts
        if starts > 1:
            best = Engine(self.recipe, self.rates, starts)._best_starts(self.task)
            self.task = self.task._replace(seeds=best)

    def start(self, task: Task) -> Params:
        """The parameters with which the task's pictures begin."""
        generator = self.recipe.generator
        return generator.init(task.seeds) if self.starts == 1 else generator.init_among_many(task.seeds)

    @property
    def way(self) -> Way:
        """How steps are taken, as the settings say; on a GPU they are recorded, as those of a named CLIP are."""
        compiled = self.job.compiling.on
        return Way(compiled=compiled, strict=compiled, graph=True)

    def rows(self, count: int) -> Task:
        """The task of the first `count` pictures."""
        return self.task.rows(torch.arange(count, device=self.device))

    def loss(self, images: Tensor, first: int = 0) -> float:
        """Mean loss of the pictures `first`, first + 1, ..., [B, 3, H, W], seen whole."""
        rows = torch.arange(first, first + len(images), device=self.device)
        return float(score(self.recipe, self.task.rows(rows), images)[0].mean())


class EngineRun:
    """`batch` pictures of the subject, moved together by fastclipgen's own steps; way: None for the subject's.

    A step that cannot be taken that way raises UserError instead of going on in another.
    """

    def __init__(self, subject: Subject, batch: int, way: Way | None = None) -> None:
        self.subject, self.batch, self.step = subject, batch, 0
        self.task = subject.rows(batch)
        self.state = begin(subject.recipe, subject.start(self.task))
        # after the last step of the job the rate stays as it is
        rates = torch.cat([subject.rates, subject.rates[-1:].expand(SPARE_STEPS)])
        way = way or subject.way
        if way.compiled:
            use_cache_folder()
        self.stepper = Stepper(subject.recipe, rates, way, _refuse)
        self.stepper.begin(self.task)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.state, _, _ = self.stepper.take(self.state, self.step)
            self.step += 1

    @torch.no_grad()
    def images(self) -> Tensor:
        """The pictures so far, [B, 3, H, W] in 0..1."""
        recipe = self.subject.recipe
        return recipe.generator.publish(canvas(recipe, self.task, finish(recipe, self.state)))


def _refuse(line: str) -> None:
    raise UserError(f"what was to be measured cannot be done: {line}")


def _random_clips(names: Sequence[str]) -> list[Any] | None:
    """The CLIPs with random weights that `clip` asks for; None where it asks for real ones."""
    if not any(name.startswith(PREFIX) for name in names):
        return None
    real = [name for name in names if not name.startswith(PREFIX)]
    if real:
        raise UserError(f"CLIPs with random weights and real ones do not mix, got '{real[0]}' too; choose one kind")
    return [random_perceptor(name, seed) for seed, name in enumerate(names)]


def _random_generator(given: dict[str, Any]) -> Generator | None:
    """The generator `vqgan` with random weights, if that is asked for; then `given` is left without its settings."""
    name = str(given.get("vqgan", ""))
    if not name.startswith(random_vqgan.PREFIX) or given.get("generator") != Vqgan.name:
        return None
    geometry = random_vqgan.geometry_of(name)
    device = resolve_device(given.get("device", "auto"))
    dtype = resolve_precision(given.get("precision", "auto"), device)
    del given["vqgan"], given["generator"]
    return Vqgan(given["height"], given["width"], random_vqgan.random_vqgan(geometry, device, dtype))
