"""A VQGAN's training: its losses, exact resume after a kill, the file it writes, several processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fastclipgen.errors import UserError
from fastclipgen.models.vqgan import VQGAN
from fastclipgen.models.vqgan_dialects import build
from fastclipgen.training.loop import Training

from . import tiny_vqgan
from .tiny_vqgan import OPTIONS, make


@pytest.fixture(autouse=True)
def few_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.training.vqgan.HELD_OUT", 16)


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("learning", ["ema", "gradient"])
def test_it_learns(tmp_path: Path, learning: str) -> None:
    options = replace(OPTIONS, steps=16, learning_rate=3e-3)
    training = Training(make(options, adversarial=0.0, learning=learning), options, tmp_path)
    before = training.task.evaluate(training.task.model)["psnr_db"]
    errors = [float(training.run_step()["l1"]) for _ in range(16)]
    assert sum(errors[-5:]) < 0.8 * sum(errors[:5])
    metrics = training.task.evaluate(training.task.model)
    assert metrics["psnr_db"] > before + 1
    assert 0 < metrics["codes_used"] <= 1
    assert 1 <= metrics["perplexity"] <= metrics["codes_used"] * 16 + 1e-6


def test_the_loss_is_the_sum_of_its_terms() -> None:
    task = make(OPTIONS, adversarial=0.8, start=2)
    task.perceptual = lambda copies, images: (copies - images).square().mean((1, 2, 3))
    images = task.pictures(0)
    assert (float(images.min()) >= -1, float(images.max()) <= 1) == (True, True)
    torch.manual_seed(0)
    loss, values = task.loss(0)
    assert values.keys() == {"l1", "codebook", "perceptual"}
    assert float(loss.detach()) == pytest.approx(sum(float(v) for v in values.values()), rel=1e-5)
    loss, values = task.loss(2)
    assert values.keys() == {"l1", "codebook", "perceptual", "adversarial", "discriminator"}
    assert float(loss.detach()) == pytest.approx(sum(float(v) for v in values.values()), rel=1e-4)


def test_neither_network_learns_from_the_others_loss() -> None:
    task = make(OPTIONS, adversarial=0.8)
    assert task.discriminator is not None
    images = task.pictures(0)
    copies = task.model.decode(task.codes.quantize(task.model.encode(images).movedim(1, -1), 1).codes.movedim(-1, 1))
    told, weighed = task._adversarial(task.discriminator, images, copies, (copies - images).abs().mean())
    ours, theirs = list(task.model.decoder.parameters()), list(task.discriminator.parameters())
    gradients = torch.autograd.grad(told, [*ours, *theirs], retain_graph=True, allow_unused=True)
    assert [g is None for g in gradients] == [True] * len(ours) + [False] * len(theirs)
    gradients = torch.autograd.grad(weighed, [*ours, *theirs], allow_unused=True)
    assert [g is None for g in gradients] == [False] * len(ours) + [True] * len(theirs)


@pytest.mark.parametrize("learning", ["ema", "gradient"])
def test_a_killed_run_goes_on_to_equal_weights(tmp_path: Path, learning: str) -> None:
    options = replace(OPTIONS, evaluate_every=6)  # steps that are taken one by one evaluate nothing
    whole = Training(make(options, learning=learning), options, tmp_path / "whole")
    whole.run(quiet=True)
    first = Training(make(options, learning=learning), options, tmp_path / "parts")
    for _ in range(3):
        first.run_step()
        first.save()
    first.run_step()  # lost by the kill
    second = Training(make(options, learning=learning), options, tmp_path / "parts")
    torch.rand(3)
    assert second.resume()
    assert second.step == 3
    second.run(quiet=True)
    assert same(whole.task.model, second.task.model)
    assert same(whole.average, second.average)
    for name in ("codes", "discriminator"):
        assert same(whole.recipe.partners[name].module, second.recipe.partners[name].module)
    latest = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts")]
    moments = [state["partner_optimizers"]["discriminator"]["state"] for state in latest]
    assert all(torch.equal(moments[0][k]["exp_avg"], moments[1][k]["exp_avg"]) for k in moments[0])
    assert len(moments[0]) > 5
    assert latest[0]["best"] == latest[1]["best"]


def test_another_vqgan_does_not_resume(tmp_path: Path) -> None:
    Training(make(OPTIONS), OPTIONS, tmp_path).save()
    with pytest.raises(UserError, match="another adversarial, codes;"):
        Training(make(OPTIONS, adversarial=0.5, learning="gradient"), OPTIONS, tmp_path).resume()


def test_the_exported_file_is_a_checkpoint_like_any_other(tmp_path: Path) -> None:
    task = make(OPTIONS)
    metrics = task.export(task.model, tmp_path / "vqgan.safetensors")
    tensors = load_file(tmp_path / "vqgan.safetensors")
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    model = build(tensors, "it")
    assert model.geometry == tiny_vqgan.GEOMETRY
    assert metrics == task.evaluate(model)
    half = VQGAN(tiny_vqgan.GEOMETRY)
    half.load_state_dict({k: v.half().float() for k, v in task.model.state_dict().items()})
    assert same(half, model)


def test_the_sheet_shows_pictures_above_their_copies() -> None:
    task = make(OPTIONS)
    sheet = task.sheet(task.model)
    assert sheet.shape == (2 * 18 + 2, 8 * 18 + 2, 3)
    truth = task.source.held_out(8).permute(0, 2, 3, 1).numpy()
    assert (sheet[2:18, 2:18] == truth[0]).all()
    assert (sheet[2:18, 20:36] == truth[1]).all()
    assert (sheet[20:36, 2:18] != truth[0]).any()


def test_several_processes_train_as_one(tmp_path: Path) -> None:
    """Two gloo processes, each with half of the batch, against one; a checkpoint of the two goes on alone."""
    alone = tiny_vqgan.curve(tmp_path / "alone")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    root = str(Path(__file__).resolve().parents[2])
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    common["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-P", str(Path(tiny_vqgan.__file__)), str(tmp_path / "both")]
    started = [
        subprocess.Popen(command, env={**common, "RANK": str(k), "LOCAL_RANK": str(k)}, stdout=subprocess.PIPE)
        for k in range(2)
    ]
    curves = [json.loads(process.communicate(timeout=120)[0]) for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert curves[0] == curves[1]
    for one, two in zip(alone, curves[0], strict=True):
        assert two == pytest.approx(one, rel=2e-4, abs=1e-5)
    training = Training(make(OPTIONS), OPTIONS, tmp_path / "both")
    assert training.resume()
    assert training.step == len(alone)
    training.run_step()
