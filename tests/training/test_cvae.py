"""Training a CVAE: what its loss is made of, that a stopped run goes on, and that it learns from its conditions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from fastclipgen.data.source import ShapesSource
from fastclipgen.models.cvae import ClipCVAE, Geometry, divergence
from fastclipgen.models.cvae_dialects import about, build
from fastclipgen.training.conditions import Conditions
from fastclipgen.training.cvae import CVAEOptions, CVAETask, Untold, as_shares, dropped
from fastclipgen.training.loop import Training, TrainOptions

GEOMETRY = Geometry(side=16, latent=4, attributes=3, embedding=0, channels=(8, 12), decoder="upsampled")
OPTIONS = TrainOptions(
    steps=6, batch=8, learning_rate=3e-3, weight_decay=0.0, warmup=1, ema=0.5, seed=2, evaluate_every=3, save_every=3
)


class Colours:
    """Pictures of one colour, red or not, green or not, blue or not, which the attributes tell."""

    def identity(self) -> dict[str, Any]:
        return {"pictures": "colours"}

    def batch(self, step: int, places: range) -> tuple[Tensor, Conditions]:
        draw = torch.Generator().manual_seed(1000 * step + places.start)
        bits = torch.rand(len(places), 3, generator=draw).round()
        pictures = (255 * bits).byte()[:, :, None, None].expand(-1, -1, 16, 16).contiguous()
        return pictures, Conditions(bits, torch.zeros(len(bits), 0))

    def held_out(self, count: int) -> tuple[Tensor, Conditions]:
        return self.batch(10**6, range(min(count, 16)))


def task(options: TrainOptions = OPTIONS, **changes: Any) -> CVAETask:
    return CVAETask(options, replace(CVAEOptions(GEOMETRY), **changes), Colours(), names=("red", "green", "blue"))


def test_the_loss_is_the_error_and_the_divergence() -> None:
    """With the original's weights: squares summed over a picture's values, the divergence whole."""
    made = task(reduction="sum", beta=1.0, anneal=0.0, dropout=0.0)
    torch.manual_seed(5)
    loss, values = made.loss(0)
    torch.manual_seed(5)
    pictures, told = Colours().batch(0, range(8))
    noise = torch.randn(8, 4)
    condition = made.condition(told)
    mean, log_variance = made.model.encode(as_shares(pictures), condition)
    copies = made.model.decode(mean + (log_variance / 2).exp() * noise, condition)
    error = (copies - as_shares(pictures)).square().sum((1, 2, 3)).mean()
    kl = divergence(mean, log_variance).mean()
    torch.testing.assert_close(loss, error + kl)
    torch.testing.assert_close(values["kl"], kl.detach())
    torch.testing.assert_close(values["error"] * 3 * 16 * 16, error.detach())


def test_the_divergence_sets_in_slowly() -> None:
    made = task(beta=1.0, anneal=0.5)  # of 6 steps

    def share(step: int) -> float:
        torch.manual_seed(5)
        loss, values = made.loss(step)
        return float((loss.detach() - values["error"]) / values["kl"])

    assert [share(step) for step in (0, 1, 2, 5)] == pytest.approx([1 / 3, 2 / 3, 1, 1], abs=1e-4)


def test_the_divergence_may_weigh_more_at_first_and_falls_in_equal_ratios() -> None:
    made = task(beta=1e-3, beta_first=1.0, anneal=0.5)  # of 6 steps
    assert [made.pressure(step) for step in (0, 1, 2, 5)] == pytest.approx([0.1, 0.01, 1e-3, 1e-3])
    made = task(beta=0.0, beta_first=1.0, anneal=0.5)
    assert [made.pressure(step) for step in (0, 1, 2, 5)] == pytest.approx([2 / 3, 1 / 3, 0, 0])


def test_conditions_are_dropped_by_their_share() -> None:
    torch.manual_seed(1)
    n, share = 20_000, 0.2
    told = Conditions(torch.ones(n, 3), torch.ones(n, 2))
    attributes, embeddings = dropped(told, share)
    unknown, untold = attributes.isnan(), (embeddings == 0).all(1)
    assert torch.equal(untold, (embeddings == 0).any(1))
    facts, whole = unknown.all(1), unknown.all(1) & untold
    kept = 1 - share
    assert untold.float().mean().item() == pytest.approx(1 - kept**2, abs=0.02)
    assert facts.float().mean().item() == pytest.approx(1 - kept**2 * (1 - share**3), abs=0.02)
    assert whole.float().mean().item() == pytest.approx(share + kept * share * share, abs=0.02)
    assert unknown[~facts].float().mean().item() == pytest.approx(share, abs=0.02)
    assert dropped(told, 0.0) is told


def test_a_resumed_run_is_the_run_that_was_not_stopped(tmp_path: Path) -> None:
    whole = Training(task(), OPTIONS, tmp_path / "whole")
    whole.run(quiet=True)
    halted = Training(task(), OPTIONS, tmp_path / "halted")
    for _ in range(3):
        halted.run_step()
    halted.save()
    resumed = Training(task(), OPTIONS, tmp_path / "halted")
    assert resumed.resume()
    assert resumed.step == 3
    resumed.run(quiet=True)
    for one, other in ((whole.task.model, resumed.task.model), (whole.average, resumed.average)):
        theirs = other.state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_it_learns_to_draw_what_it_is_told(tmp_path: Path) -> None:
    """From end to end: after some steps the exported model, given attributes alone, draws their colour."""
    options = replace(OPTIONS, steps=80, batch=16, learning_rate=1e-2)
    made = task(options, beta=1e-2, anneal=0.2)
    training = Training(made, options, tmp_path)
    training.run(quiet=True)
    assert (tmp_path / "samples" / "0000003.png").is_file()
    path = tmp_path / "x.safetensors"
    metrics = made.export(training.average, path)
    assert metrics.keys() == {"psnr_db", "psnr_untold_db", "kl", "active_latents"}
    assert metrics["psnr_db"] > 15
    with safe_open(path, framework="pt") as file:
        found = about(load_file(path), file.metadata(), "it")
    assert (found.geometry, found.attributes, found.clip) == (GEOMETRY, ("red", "green", "blue"), "")
    model = build({name: value.float() for name, value in load_file(path).items()}, found, "it")
    bits = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    with torch.no_grad():
        z = model.latents(torch.randn(2, 4, generator=torch.Generator().manual_seed(1)))
        drawn = model.decode(z, model.conditions(2, bits)).mean((2, 3))
    assert (drawn - bits).abs().max() < 0.35
    assert not torch.equal(model.prior_factor, torch.eye(4))


def test_pictures_of_which_nothing_is_told_make_a_vae() -> None:
    chosen = CVAEOptions(replace(GEOMETRY, attributes=0))
    made = CVAETask(OPTIONS, chosen, Untold(ShapesSource(16, 2, 8)))
    loss, _ = made.loss(0)
    loss.backward()
    assert isinstance(made.model, ClipCVAE)
    assert made.model.encoder[0].weight.shape == (8, 3, 4, 4)
    assert made.evaluate(made.model.eval())["kl"] > 0
    assert made.recipe.settings["pictures"] == "shapes"
