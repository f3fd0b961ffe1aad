"""Runs: phases hand their state on, cut runs equal whole ones, pictures equal themselves alone, nothing recompiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from fastclipgen.engine.compiled import CACHE, switches
from fastclipgen.engine.engine import StepInfo
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.engine.recipe import Recipe, Task
from fastclipgen.engine.step import RunState, take_step
from fastclipgen.engine.stepper import Stepper, Way
from fastclipgen.errors import UserError

from ..watch import Watch
from .tiny import FOX, job, results, state_of

RICH = """
batch: 3
learnrate_scale: 1 - .5*t
targets:
  - batch_size: 2
    weight: 1 + .01 * sim
    features:
      - {text: a fox, weight: "1 if sim < 20 else .5 + uniform(0, 1)"}
      - {text: a hill, weight: -.1 * t, end: 2}
    transforms: [{random_rotate: {degree: -20 20}}, {add: .1 * t, start: 1}, {noise: .1}]
    constraints: [{std: {above: .2 + .01 * sim, weight: 2, start: 1}}, blur: {weight: t}]
postproc: [{mul: "1 - .1 * t", end: 2}, {bwnoise: .05}]
"""


def test_a_run_gets_nearer_to_its_text() -> None:
    seen: list[float] = []
    results(job(FOX, "epochs=30"), callbacks=[lambda info: seen.append(float(info.loss))])
    assert seen[-1] < seen[0] - 0.3


@pytest.mark.parametrize("text", [RICH, FOX + "optimizer: rmsprob\n"])
def test_a_run_cut_in_two_equals_a_whole_one(text: str) -> None:
    whole = job(text)
    wanted = results(whole)
    asked: list[int] = []
    first = job(text)
    cut = results(first, interrupted=lambda: asked.append(0) or len(asked) > 2)
    assert cut[0].steps == 2
    second = job(text, carry=first.carry())
    steps: list[int] = []
    found = results(second, callbacks=[lambda info: steps.append(info.step)])
    assert steps == [3, 4]
    for name, value in state_of(whole).items():
        assert torch.equal(value, state_of(second)[name]), name
    assert [np.array_equal(a.pixels, b.pixels) for a, b in zip(wanted, found, strict=True)] == [True] * len(wanted)
    assert not np.array_equal(cut[0].pixels, wanted[0].pixels)


def test_phases_of_one_size_hand_everything_on() -> None:
    """A target that adds nothing cuts the run, and changes nothing."""
    silent = "  - {start: 2, weight: 0, features: [text: a hill]}\n"
    one = "targets:\n  - features: [text: a fox]\n"
    whole, cut = job(one), job(one + silent)
    results(whole)
    results(cut)
    for name, value in state_of(whole).items():
        torch.testing.assert_close(value, state_of(cut)[name], rtol=0, atol=1e-6)


def test_another_size_keeps_the_optimisers_state_resampled() -> None:
    made = job(FOX, "resolution='[16, 16] if epoch < 2 else [24, 32]'")
    shapes: list[tuple[int, ...]] = []
    results(made, callbacks=[lambda info: shapes.append(tuple(info.images().shape[-2:]))])
    assert shapes == [(16, 16), (16, 16), (32, 24), (32, 24)]
    state = state_of(made)
    assert state["rgb"].shape == state["square.rgb"].shape == (1, 3, 32, 24)
    assert int(state["step"]) == 4
    assert bool((state["square.rgb"] >= 0).all())
    begun_anew = job(FOX, "resolution='[16, 16] if epoch < 2 else [24, 32]'", "compat=true")
    results(begun_anew)
    assert int(state_of(begun_anew)["step"]) == 2


def test_start_and_end_of_targets() -> None:
    losses: list[float] = []
    text = "targets: [{start: 1, end: 2, features: [text: a fox]}]\n"
    made = job(text)
    results(made, callbacks=[lambda info: losses.append(float(info.loss))])
    assert losses[0] == losses[3] == 0
    assert losses[1] > 0
    assert losses[2] > 0
    assert int(state_of(made)["step"]) == 2


def test_the_optimiser_rests_while_no_target_is_open_and_postproc_goes_on() -> None:
    shown: list[torch.Tensor] = []
    text = "init: {std: 0}\ntargets: [{start: 2, features: [text: a fox]}]\npostproc: [{add: .125, end: 1}]\n"
    results(job(text), callbacks=[lambda info: shown.append(info.images())])
    assert shown[0].unique().tolist() == [0.625]
    assert shown[1].unique().tolist() == shown[2].unique().tolist() == [0.75]
    assert len(shown[3].unique()) > 1


@pytest.mark.parametrize("place", [0, 2])
def test_a_picture_of_a_batch_equals_itself_alone(place: int) -> None:
    together = results(job(RICH, "deterministic=true"))
    alone = results(job(RICH, "deterministic=true", "batch=1", f"seed={7 + place}"))
    assert np.array_equal(together[place].pixels, alone[0].pixels)
    assert together[place].loss == alone[0].loss


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    once, again, other = (results(job(RICH, f"seed={seed}"))[0].pixels for seed in (7, 7, 8))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def capture(text: str, *overrides: str) -> tuple[Recipe, Task, RunState]:
    """The recipe, task and state of the last phase of a run."""
    made, kept = job(text, *overrides), []

    def keep(info: StepInfo) -> None:
        recipe, _, task = made.under_way
        kept.append((recipe, task))

    results(made, callbacks=[keep])
    carried = made.carry()[0]
    assert carried is not None
    return *kept[-1], carried.state


def test_rows_may_be_taken_apart() -> None:
    recipe, task, state = capture(RICH)
    rates, number = torch.full((4,), 0.01), 2

    def stepped(cut: Cut) -> tuple[RunState, torch.Tensor]:
        stepper = Stepper(recipe, rates, Way(cut), lambda line: None)
        stepper.begin(task)
        after, loss, _ = stepper.take(state, number)
        return after, loss

    whole, loss = stepped(Cut())
    pieces, parts = stepped(Cut(rows=2))
    torch.testing.assert_close(loss, parts)
    torch.testing.assert_close(whole.params["rgb"], pieces.params["rgb"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(whole.optimizer.slots["mean"]["rgb"], pieces.optimizer.slots["mean"]["rgb"])


def test_a_step_waits_for_nothing() -> None:
    recipe, task, state = capture(RICH)
    number, rate = torch.tensor(3), torch.tensor(0.01)
    with Watch() as watch:
        take_step(recipe, task, state, number, rate)
    assert watch.seen > 50
    assert watch.waits == []


def test_nothing_is_compiled_again_while_values_change() -> None:
    recipe, task, state = capture(RICH)
    torch._dynamo.reset()
    with switches():
        step = torch.compile(take_step, backend="aot_eager", fullgraph=True, dynamic=False)
        after, loss, _ = step(recipe, task, state, torch.tensor(0), torch.tensor(0.01))
        eager, wanted, _ = take_step(recipe, task, state, torch.tensor(0), torch.tensor(0.01))
        torch.testing.assert_close(loss, wanted)
        torch.testing.assert_close(after.optimizer.slots["mean"], eager.optimizer.slots["mean"])
        with torch._dynamo.config.patch(error_on_recompile=True):
            for epoch in range(1, 4):
                after, _, _ = step(recipe, task, after, torch.tensor(epoch), torch.tensor(0.01 * epoch))


def test_too_many_shapes_are_not_compiled() -> None:
    said: list[str] = []
    made = job(FOX, "epochs=10", "resolution=8 + epoch", "compile='on'")
    made.notice = said.append
    made._way = Way(compiled=True)
    results(made)
    assert "10 different steps, too many to compile" in said[0]


def test_a_generator_that_gives_no_picture_back_keeps_one_size() -> None:
    with pytest.raises(UserError, match="resolution: expected one size"):
        job(FOX, "generator=siren", "resolution=16 if t < .5 else 32")
    with pytest.raises(UserError, match=r"postproc.*siren"):
        job(FOX + "postproc: [add: .1]\n", "generator=siren")


@pytest.mark.parametrize("name", ["stack", "fourier"])
def test_other_generators_are_resized_and_retouched(name: str) -> None:
    made = job(FOX + "postproc: [{add: .1, start: 1}]\n", f"generator={name}", "resolution=16 if epoch < 2 else 24")
    [result] = results(made)
    assert result.pixels.shape == (24, 24, 3)
    assert result.finite


LIVELY = """
learnrate_scale: 1 - .5*t
targets:
  - batch_size: 4
    features: [{text: a fox, weight: 1 - .5 * t}, {text: a hill, weight: -.1 * t}]
    transforms: [{random_rotate: {degree: [-20, 20 * ti]}}, {random_scale: [.8, 1]}, {noise: .1 * ti}]
    constraints: [{blur: {weight: t}}]
postproc: [{mul: 1 - .01 * t}]
"""


@pytest.mark.slow
@pytest.mark.parametrize("sizes", ["32", "32 if epoch < 2 else 40"])
def test_a_compiled_run_is_the_run(sizes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With code by inductor; each size is a program of plain numbers, and no epoch makes another."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    torch._dynamo.reset()
    counters.clear()
    pictures, losses = [], []
    for way in (Way(), Way(compiled=True, strict=True)):
        made = job(LIVELY, f"resolution='{sizes}'", "epochs=4")
        made._way = way
        seen: list[torch.Tensor] = []
        pictures.append(results(made, callbacks=[lambda info, seen=seen: seen.append(info.loss)])[0].pixels)
        losses.append(torch.cat(seen))
    torch.testing.assert_close(*losses, atol=2e-4, rtol=2e-4)
    assert np.abs(pictures[0].astype(int) - pictures[1].astype(int)).max() <= 1
    assert counters["stats"]["unique_graphs"] == (1 if sizes == "32" else 2)
