from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from bench.habits import DAS, FAIR, PLAIN, VQGAN, Habits
from bench.loop_ra_views import NotebookViews
from bench.loop_rb_views import ChainViews
from bench.reference import ReferenceRun
from bench.reference_views import PlainViews, view_drawer
from bench.subject import EngineRun, Subject
from fastclipgen.errors import UserError
from fastclipgen.ops.cutout_presets import PRESETS, preset
from fastclipgen.ops.cutout_spec import CutoutSpec

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
    for habits, read in ((FAIR, 0), (PLAIN, 3), (VQGAN, 1)):
        run = ReferenceRun(subject, 1, habits)
        run.advance(3)
        # Adam's first steps have the size of the rate whatever the gradient's: where that is rounding, the sign differs
        assert ((run.images() - engine.images()[1:]).abs() > 2e-3).float().mean() < 0.01
        assert subject.loss(run.images(), 1) == pytest.approx(subject.loss(engine.images()[1:], 1), abs=1e-3)
        assert len(run.losses) == read


def test_one_backward_for_each_clip_comes_to_the_same(small: dict[str, Any]) -> None:
    chosen = small | {"generator": "stack", "clip": ["builtin", "builtin@0.5"], "generator_options": {"margin": 0}}
    subject = Subject(1, chosen)
    runs = [ReferenceRun(subject, habits=habits) for habits in (FAIR, Habits(backward_per_clip=True), DAS)]
    for run in runs:
        run.advance(2)
    assert (runs[0].images() - 0.5).abs().max() > 1e-3
    for run in runs[1:]:
        torch.testing.assert_close(run.images(), runs[0].images(), rtol=0, atol=1e-4)
    assert runs[0].shown is None
    assert runs[2].shown is not None
    assert runs[2].shown.shape == (1, 3, 64, 64)


def test_a_loop_in_float32_has_its_own_clip(small: dict[str, Any]) -> None:
    subject = Subject(1, small | {"generator": "pixels", "precision": "bf16"})
    assert ReferenceRun(subject, habits=VQGAN).eyes[0].dtype == torch.float32
    assert ReferenceRun(subject, habits=FAIR).eyes[0] is subject.recipe.guides[0].perceptor
    assert subject.recipe.guides[0].perceptor.dtype == torch.bfloat16


def test_only_the_plain_loop_pays_for_gradients_of_weights(small: dict[str, Any]) -> None:
    subject = Subject(1, small | {"generator": "pixels"})
    plain, careful = ReferenceRun(subject, habits=PLAIN), ReferenceRun(subject, habits=FAIR)
    for run in (plain, careful):
        run.advance(1)

    def has_gradients(run: ReferenceRun) -> bool:
        return any(p.grad is not None for eye in run.eyes for p in eye.module.parameters())

    assert has_gradients(plain)
    assert not has_gradients(careful)
    assert not any(p.requires_grad for p in subject.recipe.guides[0].perceptor.module.parameters())


DRAWN = {name: spec for name, spec in PRESETS.items() if isinstance(spec, CutoutSpec) and not spec.signed}


@pytest.mark.parametrize("name", DRAWN)
def test_views_of_every_preset(name: str) -> None:
    spec = replace(DRAWN[name], noise="none", noise_scale=(0.0, 0.0))
    image = torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    views = view_drawer(spec, 16, 1, CPU).draw(image, 20)
    assert views.shape == (20, 3, 16, 16)
    assert views.min() >= 0
    assert views.max() <= 1
    if name != "plain":
        assert views.std(dim=0).max() > 0.05  # no two alike


def test_noise_has_the_preset_s_scale() -> None:
    image = torch.full((1, 3, 40, 40), 0.5)
    views = PlainViews(DRAWN["das"], 16, seed=1, device=CPU).draw(image, 20)
    assert views.min() >= 0.5
    assert views.max() <= 0.7
    assert views.mean() == pytest.approx(0.6, abs=0.01)


def test_views_are_drawn_by_the_loop_that_they_come_from() -> None:
    kinds = {name: type(view_drawer(preset(name), 16, 1, CPU)) for name in ("latest", "original", "das", "gentle")}
    assert kinds == {"latest": ChainViews, "original": NotebookViews, "das": PlainViews, "gentle": PlainViews}


def test_what_the_reference_cannot_draw_is_refused() -> None:
    with pytest.raises(UserError, match="has_zoom"):
        PlainViews(replace(DRAWN["gentle"], zoom=(0.5, 1.0), zoom_probability=0.5), 16, seed=1, device=CPU)
    with pytest.raises(UserError, match="no two kinds of views"):
        view_drawer(preset("clipit"), 16, 1, CPU)
