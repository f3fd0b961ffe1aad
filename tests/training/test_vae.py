"""The VAE's training: its measures in known cases, supervision that vanishes at the truth, and real steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fastclipgen.data.shapes import ShapesDataset
from fastclipgen.models.layered_vae import LATENT, OBJECTS, OUTLINE_SIDE, OUTLINES, PATTERNS, SIDE, Parts
from fastclipgen.training.loop import TrainOptions
from fastclipgen.training.vae import VAETask, pattern_number, psnr, supervision, to_tensor

OPTIONS = TrainOptions(steps=2, batch=8, learning_rate=1e-3, warmup=1)


@pytest.fixture(scope="module")
def task() -> Iterator[VAETask]:
    with torch.random.fork_rng(devices=[]):
        yield VAETask(OPTIONS, bf16=False)


def test_psnr_of_known_errors() -> None:
    truth = torch.zeros(2, 3, 4, 4)
    images = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), -5.0)])
    assert psnr(images, truth).tolist() == pytest.approx([20.0, 90.0])  # clamped to 0..1 before it is compared


def test_to_tensor() -> None:
    images = np.arange(2 * 5 * 5 * 3, dtype=np.float32).reshape(2, 5, 5, 3)
    assert np.array_equal(to_tensor(images)[1, 2].numpy(), images[1, :, :, 2])


def test_every_look_of_a_pattern_has_its_number() -> None:
    scenes = ShapesDataset(0).scenes(np.arange(4000))
    numbers = pattern_number(scenes)
    assert set(numbers) == set(range(16))
    assert numbers.max() < PATTERNS
    assert (numbers[scenes.facts[:, 8] <= 1] == 0).all()
    looks = {}
    for number, kind, pitch, tilt in zip(numbers, scenes.facts[:, 8], scenes.pitch, scenes.tilt, strict=True):
        if number:
            looks.setdefault(number, set()).add((kind, pitch, tilt if kind == 2 else -1))
    assert all(len(look) == 1 for look in looks.values())


def test_supervision_vanishes_at_the_truth_and_only_there() -> None:
    scenes = ShapesDataset(0).scenes(np.arange(64))
    facts = torch.from_numpy(scenes.facts)
    ground, tilt = torch.from_numpy(scenes.ground), torch.from_numpy(scenes.tilt)
    change = (facts[:, 8] == 1)[:, None] * (ground[:, 1] - ground[:, 0])
    along_x = torch.tensor([0.0, 1.0, 0.5])[tilt][:, None]
    here = facts[:, :1] > torch.arange(OBJECTS)
    one_hot = torch.nn.functional.one_hot
    parts = Parts(
        # a gradient begins with the first colour at its top or left end and is half way at the centre
        ground=torch.stack([ground[:, 0] + change / 2, change * along_x, change * (1 - along_x)], 2),
        second=ground[:, 1],
        pattern=torch.zeros(64, 1, SIDE, SIDE),
        present=torch.where(here, 60.0, -60.0),
        centre=torch.from_numpy(scenes.centre),
        log_radius=torch.from_numpy(scenes.radius).log(),
        angle=torch.from_numpy(scenes.angle),
        pattern_choice=60.0 * one_hot(torch.from_numpy(pattern_number(scenes)), PATTERNS),
        outline_choice=60.0 * one_hot(facts[:, [1, 5]].clamp_min(0), OUTLINES),
        outline=torch.zeros(64, OBJECTS, OUTLINE_SIDE, OUTLINE_SIDE),
        ink=torch.from_numpy(scenes.ink),
    )
    assert supervision(parts, scenes).item() == pytest.approx(0, abs=1e-6)
    for name in ("ground", "second", "present", "centre", "log_radius", "angle", "ink"):
        wrong = parts._replace(**{name: 0.2 - getattr(parts, name) * 0.5})
        assert supervision(wrong, scenes).item() > 1e-3, name
    for name in ("pattern_choice", "outline_choice"):
        assert supervision(parts._replace(**{name: getattr(parts, name).roll(1, -1)}), scenes).item() > 1, name
    # of a scene with one object the second slot may draw what it likes, as long as it is absent
    free = parts.ink.clone()
    free[:, 1][~here[:, 1]] = 7.0
    assert supervision(parts._replace(ink=free), scenes).item() == pytest.approx(0, abs=1e-6)


def test_the_loss_is_finite_and_decided_by_the_step(task: VAETask) -> None:
    loss, values = task.loss(1)
    assert {"error", "kl", "supervision"} <= set(values)
    assert loss.isfinite()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        assert torch.equal(task.loss(1)[0], loss)
    assert not torch.equal(task.loss(2)[0], loss)


def test_steps_lower_the_loss(task: VAETask) -> None:
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        loss, _ = task.loss(0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_export_writes_the_shipped_weights_and_measures_them(task: VAETask, tmp_path: Path, monkeypatch) -> None:
    few = task.evaluate

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        assert model is not task.model
        return few(model, pictures=128)

    monkeypatch.setattr(task, "evaluate", evaluate)
    metrics = task.export(task.model.eval(), tmp_path / "vae.safetensors", pictures=256)
    assert set(metrics) == {"psnr_db", "psnr_db_128px", "active_latents", "latent_norm"}
    assert 0 < metrics["psnr_db"] < 40
    assert 0 < metrics["psnr_db_128px"] < 40
    tensors = load_file(tmp_path / "vae.safetensors")
    assert tensors.pop("prior_mean").shape == (LATENT,)
    assert tensors.pop("prior_factor").shape == (LATENT, LATENT)
    wanted = {key: value.half() for key, value in task.model.state_dict().items()}
    assert set(tensors) == set(wanted)
    assert all(torch.equal(value, wanted[key]) for key, value in tensors.items())
