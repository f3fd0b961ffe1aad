"""Training a CVAE against a discriminator: who learns from which loss, exact resume, a file that is a CVAE's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastclipgen.errors import UserError
from fastclipgen.models.cvae import Geometry
from fastclipgen.training.cvae import CVAEOptions
from fastclipgen.training.cvae_gan import CVAEGANTask, Game, _alike
from fastclipgen.training.loop import Training, TrainOptions
from fastclipgen.training.steps import seeded

from .tiny_told import ATTRIBUTES, SIZE, WIDTH, Told

GEOMETRY = Geometry(SIZE, 5, len(ATTRIBUTES), WIDTH, channels=(8, 12), decoder="upsampled")
CHOSEN = CVAEOptions(GEOMETRY, beta=1e-3, anneal=0.0, dropout=0.0)
GAME = Game(features=0.3, gamma=2.0, discriminator_channels=4, rests_below=0.0)
OPTIONS = TrainOptions(
    steps=6, batch=8, learning_rate=3e-3, weight_decay=0.0, warmup=1, ema=0.9, seed=2, evaluate_every=6, save_every=2
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.training.cvae.HELD_OUT", 16)
    monkeypatch.setattr("fastclipgen.training.cvae.WHITENED", 16)


def make(game: Game = GAME, chosen: CVAEOptions = CHOSEN, **others: Any) -> CVAEGANTask:
    told = Told(OPTIONS.seed, OPTIONS.batch)
    return CVAEGANTask(OPTIONS, chosen, told, game=game, names=ATTRIBUTES, clip="eye", **others)


def gradients(task: CVAEGANTask, loss: Tensor) -> dict[str, Tensor]:
    players = {"model": task.model, "discriminator": task.discriminator}
    named = {f"{who}.{name}": p for who, player in players.items() for name, p in player.named_parameters()}
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name: torch.zeros(()) if g is None else g for name, g in zip(named, found, strict=True)}


def test_all_weights_of_all_players_learn() -> None:
    """fc_mu, fc_logvar and decoder_input too, which the original forgot."""
    task = make()
    with seeded(0, 0):
        loss, values = task.loss(0)
    # a bias before a batch norm moves nothing
    still = {name for name, g in gradients(task, loss).items() if not float(g.abs().sum()) > 1e-7}
    assert not {name for name in still if not name.endswith(".bias")}
    assert {"fc_mu", "fc_logvar", "decoder_input"} <= {name.split(".")[0] for name, _ in task.model.named_parameters()}
    assert values.keys() == {"features", "error", "kl", "opinion", "weight", "discriminator"}


def in_parts(task: CVAEGANTask) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The reconstruction, the opinion, the divergence and the discriminator's loss of step 0, with whole graphs."""
    with seeded(0, 0):
        images, condition = task.batch(0)
        z, kl = task.posterior(images, condition)
        copies, drawn = task.drawn(z, condition), task.drawn(_alike(z.detach()), condition)
    reals, theirs = task.discriminator(images, condition)
    fakes, ours = task.discriminator(copies, condition)
    others, _ = task.discriminator(drawn, condition)
    features = (ours - theirs.detach()).square().mean() / theirs.detach().square().mean()
    reconstruction = task.game.pixels * task.reconstruction(copies, images)[0] + task.game.features * features
    opinion = (F.softplus(-fakes).mean() + F.softplus(-others).mean()) / 2
    told = F.softplus(-reals).mean() + (F.softplus(fakes).mean() + F.softplus(others).mean()) / 2
    return reconstruction, opinion, kl, told


def test_each_player_follows_its_own_loss() -> None:
    """Against Larsen et al., algorithm 1, with every gradient taken from the whole graph by itself."""
    task = make()
    with seeded(0, 0):
        loss, values = task.loss(0)
    found = gradients(task, loss)
    task = make()  # batch norms' buffers as before
    reconstruction, opinion, kl, told = in_parts(task)
    weight = float(values["weight"])
    assert weight > 0
    encoder, decoder = reconstruction + 1e-3 * kl, 2.0 * reconstruction + weight * opinion
    graphs = {"encoder": encoder, "fc_mu": encoder, "fc_logvar": encoder, "decoder_input": decoder, "decoder": decoder}
    for part, wanted in graphs.items():
        layer = getattr(task.model, part)
        assert isinstance(layer, nn.Module)
        truth = torch.autograd.grad(wanted, list(layer.parameters()), retain_graph=True)
        for (name, _), value in zip(layer.named_parameters(), truth, strict=True):
            torch.testing.assert_close(found[f"model.{part}.{name}"], value, rtol=1e-3, atol=2e-6, msg=f"{part}.{name}")
    truth = torch.autograd.grad(told, list(task.discriminator.parameters()))
    for (name, _), value in zip(task.discriminator.named_parameters(), truth, strict=True):
        torch.testing.assert_close(found[f"discriminator.{name}"], value, rtol=1e-3, atol=2e-6, msg=name)
    assert float(loss.detach()) == pytest.approx(
        float((2.0 * reconstruction + weight * opinion + 1e-3 * kl + told).detach()), rel=1e-4
    )


def test_the_discriminator_rests_where_it_wins() -> None:
    task = make(replace(GAME, rests_below=100.0))
    with seeded(0, 0):
        loss, values = task.loss(0)
    found = gradients(task, loss)
    assert all(float(g.abs().max()) == 0 for name, g in found.items() if name.startswith("discriminator."))
    assert float(found["model.fc_mu.weight"].abs().max()) > 0
    assert 0 < float(values["discriminator"]) < 100


def test_reconstruction_and_discriminator_learn(tmp_path: Path) -> None:
    """The error falls over some steps; a discriminator that learns alone tells copies better and better."""
    options = replace(OPTIONS, steps=60, batch=32)
    game = replace(GAME, features=0.02)
    task = CVAEGANTask(options, CHOSEN, Told(2, 32), game=game, names=ATTRIBUTES, clip="eye")
    training = Training(task, options, tmp_path)
    errors = [float(training.run_step()["error"]) for _ in range(60)]
    assert sum(errors[-10:]) < 0.8 * sum(errors[:10])
    task = make()
    optimizer = torch.optim.Adam(task.discriminator.parameters(), 2e-3)
    told = []
    for _ in range(10):
        with seeded(0, 0):
            loss, values = task.loss(0)
        for (_, p), g in zip(
            task.discriminator.named_parameters(),
            torch.autograd.grad(loss, list(task.discriminator.parameters())), strict=True,
        ):  # fmt: skip
            p.grad = g
        optimizer.step()
        told.append(float(values["discriminator"]))
    assert told[-1] < told[0] - 0.1


def test_imagined_latents_have_the_mean_and_spread_of_the_batch() -> None:
    torch.manual_seed(0)
    z = torch.randn(4000, 3) @ torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.1]]) + 5
    found = _alike(z)
    torch.testing.assert_close(found.mean(0), z.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(found.T.cov(), z.T.cov(), atol=0.35, rtol=0)
    assert not torch.equal(found, z)


def test_a_killed_run_goes_on_to_equal_weights(tmp_path: Path) -> None:
    whole = Training(make(), OPTIONS, tmp_path / "whole")
    metrics = whole.run(quiet=True)
    first = Training(make(), OPTIONS, tmp_path / "parts")
    for _ in range(3):
        first.run_step()
    first.save()
    second = Training(make(), OPTIONS, tmp_path / "parts")
    torch.rand(3)
    assert second.resume()
    assert second.run(quiet=True) == metrics
    for one, two in (
        (whole.task.model, second.task.model),
        (whole.recipe.partners["discriminator"].module, second.recipe.partners["discriminator"].module),
    ):
        assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_another_game_does_not_resume(tmp_path: Path) -> None:
    Training(make(), OPTIONS, tmp_path).save()
    with pytest.raises(UserError, match="another gamma, rests_below;"):
        Training(make(replace(GAME, gamma=1.0, rests_below=0.4)), OPTIONS, tmp_path).resume()
