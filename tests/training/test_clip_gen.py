"""The task: what a step sees, exact resume, several processes' shares, and the file that comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastclipgen.models.transformer import Transformer
from fastclipgen.models.transformer_dialects import build
from fastclipgen.training import processes
from fastclipgen.training.clip_gen import Conditions
from fastclipgen.training.loop import Training
from fastclipgen.weights.checkpoint import read_tensors

from .tiny_clip_gen import GEOMETRY, OPTIONS, pairs, task


def test_without_noise_and_dropout_a_step_sees_the_pairs_in_order() -> None:
    plain = task(conditions=Conditions())
    seen = [plain.batch(step) for step in range(5)]
    conditions, tokens = (torch.cat(parts) for parts in zip(*seen, strict=True))
    truth, own = pairs(10).rows(np.arange(10), torch.device("cpu"))
    order = (conditions @ truth.T).argmax(1)
    assert sorted(order[:10].tolist()) == sorted(order[10:].tolist()) == list(range(10))
    assert order[:10].tolist() != order[10:].tolist()
    torch.testing.assert_close(conditions, truth[order])
    assert torch.equal(tokens, own[order])
    assert plain.model.null_condition is None


def test_noise_and_dropout_are_as_strong_as_said() -> None:
    big = replace(OPTIONS, batch=4000)
    plain, _ = task(big, Conditions()).batch(2)
    noisy, _ = task(big, Conditions(noise=0.75)).batch(2)
    cosine = (plain * noisy).sum(1)
    assert torch.allclose(noisy.norm(dim=1), torch.ones(4000))
    # a random direction lies at right angles on average: cos = 1 / sqrt(1 + 0.75^2)
    assert float(cosine.mean()) == pytest.approx(0.8, abs=0.01)
    assert float(cosine.std()) == pytest.approx(0.04, abs=0.01)  # of 27 numbers
    dropped, _ = task(big, Conditions(dropout=0.3)).batch(2)
    gone = dropped.eq(0).all(1)
    assert float(gone.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(dropped[~gone], plain[~gone])


def test_draws_differ_from_step_to_step_and_by_seed() -> None:
    one = task()
    first, _ = one.batch(0)
    assert torch.equal(one.batch(0)[0], first)
    assert not torch.equal(one.batch(5)[0], first)  # 5 * 4 = 2 epochs of 10
    assert not torch.equal(task(replace(OPTIONS, seed=4)).batch(0)[0], first)


def test_processes_share_the_batch_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [task().batch(step) for step in range(3)]
    for step in range(3):
        shares = []
        for rank in range(2):
            monkeypatch.setattr(processes, "count", lambda: 2)
            monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
            shares.append(task().batch(step))
        for k in range(2):
            assert torch.equal(torch.cat([share[k] for share in shares]), whole[step][k])


def test_a_resumed_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    whole = Training(task(), OPTIONS, tmp_path / "whole")
    whole.run(quiet=True)
    torch.manual_seed(99)
    half = Training(task(), OPTIONS, tmp_path / "half")
    for _ in range(2):
        half.run_step()
    half.save()
    torch.rand(7)
    resumed = Training(task(), OPTIONS, tmp_path / "half")
    assert resumed.resume()
    resumed.run(quiet=True)
    for name, value in whole.task.model.state_dict().items():
        assert torch.equal(resumed.task.model.state_dict()[name], value), name
    for name, value in whole.average.state_dict().items():
        assert torch.equal(resumed.average.state_dict()[name], value), name
    assert (tmp_path / "half" / "best.pt").is_file()
    assert list((tmp_path / "half" / "samples").glob("*.png"))


def test_it_learns_what_follows_from_embeddings(tmp_path: Path) -> None:
    options = replace(OPTIONS, steps=150, batch=10, learning_rate=3e-3, evaluate_every=1000, save_every=1000)
    learner = task(options, Conditions(dropout=0.1), dropout=0.0)
    learner.held_out = learner.pairs
    before = learner.evaluate(learner.model.eval())
    training = Training(learner, options, tmp_path)
    training.run(quiet=True)
    after = learner.evaluate(training.average)
    assert before["cross_entropy"] > 3.5
    assert after["cross_entropy"] < 0.5
    assert before["top1"] < 0.2 < 0.9 < after["top1"]
    assert after["similarity"] == pytest.approx(after["similarity_of_truth"], abs=0.1)


def test_a_compiled_step_is_the_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    steps = [task(dropout=0.0), task(dropout=0.0, compiled=True)]
    for step in steps:
        step.loss(1)[0].backward()
    eager, compiled = (step.model for step in steps)
    for (name, mine), theirs in zip(eager.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(
            theirs.grad, mine.grad, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_only_linear_weights_decay_and_the_betas_are_clip_gens() -> None:
    recipe = task().recipe
    assert recipe.betas == (0.9, 0.95)
    assert recipe.groups is not None
    assert [group["weight_decay"] for group in recipe.groups] == [0.01, 0.0]
    assert recipe.settings["noise"] == 0.5
    assert recipe.settings["layers"] == 1


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_file_loads_by_itself_and_is_what_was_trained(tmp_path: Path, share: float) -> None:
    made = task(conditions=Conditions(dropout=share))
    metrics = made.export(made.model, tmp_path / "w.safetensors")
    model = build(read_tensors(tmp_path / "w.safetensors", "it"), "it")
    assert model.geometry == GEOMETRY
    assert (model.null_condition is None) == (share == 0)
    conditions, tokens = made.pairs.rows(np.arange(3), torch.device("cpu"))
    with torch.no_grad():
        torch.testing.assert_close(
            model(conditions, tokens[:, :-1]), made.model.eval()(conditions, tokens[:, :-1]), atol=2e-2, rtol=2e-2
        )
    assert set(metrics) == {"cross_entropy", "top1", "similarity", "similarity_of_truth"}


def test_the_sheet_has_the_picture_and_its_samples() -> None:
    made = task()
    sheet = made.sheet(made.model)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (5 * 20 + 4, 6 * 20 + 4, 3)  # 5 held-out pictures, samples beside each, 4 pixels between
    assert sheet[4:20, 4:20].std() > 0


def test_autocast_on_the_cpu_comes_close(tmp_path: Path) -> None:
    losses = []
    for bf16 in (False, True):
        made = task(conditions=Conditions(), dropout=0.0, bf16=bf16)
        loss, _ = made.loss(0)
        loss.backward()
        assert isinstance(made.model, Transformer)
        losses.append((loss.item(), float(made.model.blocks[0].qkv.weight.grad.norm())))  # pyright: ignore
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
