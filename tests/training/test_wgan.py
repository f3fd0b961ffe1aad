"""A WGAN's training: its losses, the critic's turns, exact resume, the file it writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from fastclipgen.errors import UserError
from fastclipgen.models.wgan import Generator, Geometry
from fastclipgen.models.wgan_dialects import KEY, about, build
from fastclipgen.training.loop import Training, TrainOptions
from fastclipgen.training.steps import seeded
from fastclipgen.training.wgan import WGANOptions, WGANTask

from .tiny_told import ATTRIBUTES, SIZE, WIDTH, Told, eye

GEOMETRY = Geometry(SIZE, latent=6, attributes=len(ATTRIBUTES), embedding=WIDTH, channels=8, critic_channels=8)
CHOSEN = WGANOptions(GEOMETRY, critic_steps=3, dropout=0.2)
OPTIONS = TrainOptions(
    steps=6, batch=8, learning_rate=1e-3, weight_decay=0.0, warmup=1, ema=0.9, seed=2, evaluate_every=6, save_every=2
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.training.wgan.HELD_OUT", 24)
    monkeypatch.setattr("fastclipgen.training.wgan.SETTLING", 3)


def make(options: TrainOptions = OPTIONS, chosen: WGANOptions = CHOSEN) -> WGANTask:
    told = Told(options.seed, options.batch)
    names = ATTRIBUTES if chosen.geometry.attributes else ()
    return WGANTask(options, chosen, told, eye(), names=names, clip="eye" if chosen.geometry.embedding else "")


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def critic_alone(penalty: float) -> tuple[list[float], list[float]]:
    """Gaps and penalties of 30 steps of the critic against a generator that stays."""
    task = make(chosen=replace(CHOSEN, penalty=penalty))
    optimizer = torch.optim.Adam(task.critic.parameters(), 2e-3, betas=(0.0, 0.9))
    gaps, penalties = [], []
    for turn in range(30):
        with seeded(0, turn):
            loss, values = task.critic_loss(turn, 0)
        gaps.append(float(values["gap"]))
        penalties.append(float(values["penalty"]))
        assert float(loss.detach()) == pytest.approx(penalty * penalties[-1] - gaps[-1], rel=1e-4, abs=1e-5)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return gaps, penalties


def test_a_critic_that_trains_alone_tells_them_apart() -> None:
    """The gap between pictures and drawn ones grows, and the penalty keeps it from growing by steepness alone."""
    gaps, penalties = critic_alone(10.0)
    assert sum(gaps[-5:]) / 5 > sum(gaps[:5]) / 5 + 0.5
    assert penalties[-1] < 0.3
    steep_gaps, steep = critic_alone(0.0)
    assert steep[-1] > 5
    assert steep_gaps[-1] > 2 * gaps[-1]


def test_a_generator_that_trains_alone_climbs_the_critic() -> None:
    task = make()
    optimizer = torch.optim.Adam(task.model.parameters(), 2e-3, betas=(0.0, 0.9))
    losses = []
    for step in range(20):
        with seeded(0, step):
            loss, _ = task.loss(step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < sum(losses[:3])
    assert all(parameter.grad is None for parameter in task.critic.parameters())


def test_all_weights_of_both_learn() -> None:
    task = make()
    with seeded(0, 0):
        task.critic_loss(0, 0)[0].backward()
    assert not [name for name, p in task.model.named_parameters() if p.grad is not None], "the critic's turn is its own"
    # a bias at the very end adds the same to both scores
    still = [name for name, p in task.critic.named_parameters() if p.grad is None or not p.grad.abs().sum() > 1e-9]
    assert still == ["last.bias"]
    with seeded(0, 0):
        task.loss(0)[0].backward()
    assert not [name for name, p in task.model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_every_turn_has_pictures_of_its_own_and_the_generator_conditions_of_the_last() -> None:
    task = make(chosen=replace(CHOSEN, dropout=0.0))
    turns = [task.batch(1, turn) for turn in range(3)]
    assert len({images.sum().item() for images, _ in turns}) == 3
    truth = task.told.batch(4, range(8))[0]
    torch.testing.assert_close(turns[1][0], truth.float() / 127.5 - 1)
    attributes = turns[1][1][:, : len(ATTRIBUTES)]
    assert set(attributes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(task.batch(1, 2)[1], turns[2][1])


def test_a_killed_run_goes_on_to_equal_weights(tmp_path: Path) -> None:
    whole = Training(make(), OPTIONS, tmp_path / "whole")
    metrics = whole.run(quiet=True)
    first = Training(make(), OPTIONS, tmp_path / "parts")
    for _ in range(3):
        first.run_step()
    first.save()
    first.run_step()  # lost by the kill
    second = Training(make(), OPTIONS, tmp_path / "parts")
    torch.rand(3)
    assert second.resume()
    assert second.run(quiet=True) == metrics
    assert same(whole.task.model, second.task.model)
    assert same(whole.average, second.average)
    assert same(whole.recipe.partners["critic"].module, second.recipe.partners["critic"].module)
    critic = second.partners["critic"].state_dict()["state"]
    assert critic[0]["step"] == 3 * OPTIONS.steps
    assert metrics.keys() == {"gap", "kernel_distance", "similarity", "similarity_of_truth"}


def test_another_wgan_does_not_resume(tmp_path: Path) -> None:
    Training(make(), OPTIONS, tmp_path).save()
    with pytest.raises(UserError, match="another critic_steps, penalty;"):
        Training(make(chosen=replace(CHOSEN, critic_steps=2, penalty=1.0)), OPTIONS, tmp_path).resume()


@pytest.mark.parametrize(("attributes", "embedding"), [(0, 0), (len(ATTRIBUTES), 0), (0, WIDTH)])
def test_with_any_part_of_a_condition(attributes: int, embedding: int, tmp_path: Path) -> None:
    geometry = replace(GEOMETRY, attributes=attributes, embedding=embedding)
    training = Training(make(chosen=replace(CHOSEN, geometry=geometry)), OPTIONS, tmp_path)
    before = [p.detach().clone() for p in training.task.model.parameters()]
    training.run_step()
    assert all(not torch.equal(a, b) for a, b in zip(before, training.task.model.parameters(), strict=True))
    assert ("similarity" in training.task.evaluate(training.average)) == bool(embedding)


def test_settled_norms_expect_what_the_weights_give() -> None:
    """Three times the weights, nine times the variance; the model itself keeps what it expected."""
    task = make()
    before = _first_norm(task.settled(task.model))
    with torch.no_grad():
        task.model.layers[0].weight.mul_(3)  # pyright: ignore
    settled = task.settled(task.model)
    after = _first_norm(settled)
    assert not settled.training
    assert int(after.num_batches_tracked) == 3  # pyright: ignore
    torch.testing.assert_close(after.running_var, 9 * before.running_var)  # pyright: ignore
    torch.testing.assert_close(after.running_mean, 3 * before.running_mean)  # pyright: ignore
    untouched = _first_norm(task.model).running_var
    assert untouched is not None
    assert (untouched == 1).all()


def _first_norm(model: Generator) -> nn.BatchNorm2d:
    norm = model.layers[1]
    assert isinstance(norm, nn.BatchNorm2d)
    return norm


def test_the_exported_file_says_what_it_is(tmp_path: Path) -> None:
    task, path = make(), tmp_path / "wgan.safetensors"
    metrics = task.export(task.model, path)
    tensors = load_file(path)
    assert {value.dtype for value in tensors.values() if value.is_floating_point()} == {torch.float16}
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {KEY}
    found = about(tensors, metadata, "it")
    assert found == task.about
    assert (found.attributes, found.clip) == (ATTRIBUTES, "eye")
    model = build(tensors, found, "it")
    z, condition = task.noise(4), task.batch(0, 0)[1][:4]
    ours, theirs = model(z, condition), task.settled(task.model)(z, condition)
    torch.testing.assert_close(ours, theirs, atol=0.02, rtol=0)
    assert metrics == pytest.approx(task.evaluate(task.model), rel=1e-3, abs=0.05)


def test_the_sheet_shows_pictures_above_drawn_ones() -> None:
    task = make()
    sheet = task.sheet(task.model)
    assert sheet.shape == (4 * 18 + 2, 8 * 18 + 2, 3)
    truth = task.told.held_out(8)[0].permute(0, 2, 3, 1).numpy()
    assert (sheet[2:18, 2:18] == truth[0]).all()
    assert (sheet[2:18, 20:36] == truth[1]).all()
    assert (sheet[20:36, 2:18] != sheet[38:54, 2:18]).any()
