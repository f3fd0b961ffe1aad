from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from bench.reference import ReferenceRun
from bench.reference_views import PlainViews
from bench.subject import EngineRun, Subject
from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_spec import PRESETS, preset

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "settings",
    [
        {"generator": "pixels", "optimizer": "adam", "loss": "spherical", "constraints": ["tv:1"]},
        {"generator": "pixels", "optimizer": "adam", "loss": "l1"},
        {"generator": "pixels", "optimizer": "adam", "loss": "l2"},
        {"generator": "vae", "optimizer": "adam"},
        {"generator": "stack", "optimizer": "sgd", "generator_options": {"margin": 0}},
        {"generator": "stack", "optimizer": "adam", "generator_options": {"margin": 0}},
    ],
    ids=lambda settings: "-".join(str(settings[key]) for key in ("generator", "optimizer", "loss") if key in settings),
)
def test_without_chance_the_reference_and_the_engine_draw_the_same(
    settings: dict[str, Any], small: dict[str, Any]
) -> None:
    subject = Subject(2, small | settings)
    engine = EngineRun(subject, 2)
    start = engine.images()
    engine.advance(3)
    assert (engine.images() - start).abs().max() > 0.01
    for careful in (False, True):
        run = ReferenceRun(subject, picture=1, careful=careful)
        run.advance(3)
        # Adam's first steps have the size of the rate whatever the gradient's: where that is rounding, the sign differs
        assert ((run.images() - engine.images()[1:]).abs() > 2e-3).float().mean() < 0.01
        assert subject.loss(run.images(), 1) == pytest.approx(subject.loss(engine.images()[1:], 1), abs=1e-3)
        assert len(run.losses) == (0 if careful else 3)


def test_only_the_plain_loop_pays_for_gradients_of_weights(small: dict[str, Any]) -> None:
    subject = Subject(1, small | {"generator": "pixels"})
    plain, careful = ReferenceRun(subject), ReferenceRun(subject, careful=True)
    for run in (plain, careful):
        run.advance(1)

    def has_gradients(run: ReferenceRun) -> bool:
        return any(p.grad is not None for eye in run.eyes for p in eye.module.parameters())

    assert has_gradients(plain)
    assert not has_gradients(careful)
    assert not any(p.requires_grad for p in subject.recipe.guides[0].perceptor.module.parameters())


@pytest.mark.parametrize("name", PRESETS)
def test_views_of_every_preset(name: str) -> None:
    spec = replace(preset(name), noise="none")
    drawer = PlainViews(spec, 16, seed=1, device=CPU)
    padded = drawer.pad(torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(0)))
    views = torch.cat([drawer.draw(padded) for _ in range(20)])
    assert views.shape == (20, 3, 16, 16)
    assert views.min() >= 0
    assert views.max() <= 1
    if name != "plain":
        assert views.std(dim=0).max() > 0.05  # no two alike


def test_noise_has_the_preset_s_scale() -> None:
    image = torch.full((1, 3, 40, 40), 0.5)
    drawer = PlainViews(preset("das"), 16, seed=1, device=CPU)
    views = torch.cat([drawer.draw(drawer.pad(image)) for _ in range(20)])
    assert views.min() >= 0.5
    assert views.max() <= 0.7
    assert views.mean() == pytest.approx(0.6, abs=0.01)


def test_what_the_reference_cannot_draw_is_refused() -> None:
    with pytest.raises(UserError, match="flip_probability"):
        PlainViews(replace(preset("gentle"), flip_probability=0.5), 16, seed=1, device=CPU)
