"""A step never waits for the host nor reads from it: what a CUDA graph demands, and what keeps a device busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.engine.optimizers import OPTIMIZERS, Adam, Sgd
from fastclipgen.engine.plateau import Plateau
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import begin, take_step
from fastclipgen.generators import registry
from fastclipgen.generators.autoencoder import Halves
from fastclipgen.generators.conditioned import Trained
from fastclipgen.guidance.constraints import Constraint
from fastclipgen.models.taesd import build_decoder
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.ops import library
from fastclipgen.ops.cutout_presets import PRESETS
from fastclipgen.perceptors.builtin import load_builtin

from ..generators import tiny_gan
from ..models import cvae_checkpoints, wgan_checkpoints
from ..models.taesd_checkpoints import decoder
from ..models.vqgan_checkpoints import taming
from ..watch import Watch

SIZE = 32


def test_the_watch_sees_what_waits() -> None:
    with Watch() as watch:
        values = torch.arange(4) * 2
        values[values > 2]
        torch.tensor([1.0])
        values.sum().item()
    assert watch.waits == ["index", "lift_fresh", "_local_scalar_dense"]


def waits_of(recipe: Recipe, task: Task) -> list[str]:
    params = recipe.generator.init(task.seeds)
    number, rate = torch.tensor(3), torch.tensor(0.05)
    state = begin(recipe, params)
    with Watch() as watch:
        take_step(recipe, task, state, number, rate)
    assert watch.seen > 50
    return watch.waits


MODELS = {  # of random weights, for generators that draw with a user's
    "vqgan": lambda: build(taming(), "random weights"),
    "autoencoder": lambda: Halves(build_decoder(decoder(), "random weights"), None),
    "cvae": lambda: Trained(cvae_checkpoints.made(), cvae_checkpoints.ABOUT),
    "wgan": lambda: Trained(wgan_checkpoints.made(), wgan_checkpoints.ABOUT),
    "gan": tiny_gan.both,
}


@pytest.fixture
def plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled operators are opaque to the watch, so that the plain ones are watched."""
    monkeypatch.setattr(library, "choose", lambda *_: "reference")


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.usefixtures("plain_torch")
def test_generators(name: str, make_recipe: Callable[..., Recipe], make_task: Callable[..., Task]) -> None:
    for optimizer in (Sgd(), Adam()):
        model = MODELS[name]() if name in MODELS else None
        generator = registry.create(name, SIZE, SIZE, optimizer.name, model)
        recipe = make_recipe(generator, optimizer=optimizer, ema=Ema(0.9), best=KeepBest())
        assert waits_of(recipe, make_task(recipe, ["sun", "moon|sea"])) == []


@pytest.mark.usefixtures("plain_torch")
def test_the_built_in_clip(make_recipe: Callable[..., Recipe], make_task: Callable[..., Task]) -> None:
    recipe = make_recipe(perceptors=[load_builtin(print)], views=2)
    assert waits_of(recipe, make_task(recipe, ["a red circle"])) == []


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.usefixtures("plain_torch")
def test_cutouts(preset: str, make_recipe: Callable[..., Recipe], make_task: Callable[..., Task]) -> None:
    for deterministic in (False, True):
        generator = registry.create("pixels", SIZE, SIZE)
        recipe = make_recipe(generator, spec=preset, deterministic=deterministic, loss="spherical")
        assert waits_of(recipe, make_task(recipe, ["sun", "moon"])) == []


@pytest.mark.parametrize("rule", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.usefixtures("plain_torch")
def test_optimisers_constraints_and_masks(
    rule: Any, make_recipe: Callable[..., Recipe], make_task: Callable[..., Task]
) -> None:
    names = ("tv", "l1", "l2", "saturation", "range")
    constraints = tuple(Constraint(name) for name in names)
    recipe = make_recipe(optimizer=rule(), constraints=constraints, plateau=Plateau(1), best=KeepBest())
    picture = torch.full((1, 3, 16, 16), 0.5)
    task = make_task(recipe, ["sun:1:0.2"])._replace(start=picture, mask=picture[:, :1])
    assert waits_of(recipe, task) == []
