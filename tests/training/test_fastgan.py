"""A FastGAN's training: both losses, exact resume, averaged weights with statistics of their own, its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fastclipgen.data.source import ShapesSource
from fastclipgen.errors import UserError
from fastclipgen.models.fastgan import Geometry
from fastclipgen.models.fastgan_dialects import build
from fastclipgen.perceptors.base import FrozenPerceptor
from fastclipgen.training.fastgan import FastGANOptions, FastGANTask, latents, samples, settling
from fastclipgen.training.loop import Training, TrainOptions

GEOMETRY = Geometry.usual(32, base=8, latent=6)
OPTIONS = TrainOptions(
    steps=6, batch=4, learning_rate=1e-3, weight_decay=0.0, warmup=1, ema=0.9, seed=2, evaluate_every=6, save_every=6
)


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HELD_OUT": 16, "ROWS": 8, "SETTLING": 2}.items():
        monkeypatch.setattr(f"fastclipgen.training.fastgan.{name}", value)


class Eye(nn.Module):
    """Sees mean colours of quarters."""

    image_size = 8

    def encode_image(self, views: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(views, 2).flatten(1) + 0.01

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.ones(len(texts), 12)


def make(options: TrainOptions = OPTIONS, **chosen: object) -> FastGANTask:
    eye = FrozenPerceptor(Eye(), 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "eye")
    given = {"judge": 8, "augment": ("color", "translation", "cutout"), **chosen}
    asked = FastGANOptions(GEOMETRY, **given)  # pyright: ignore[reportArgumentType]
    return FastGANTask(options, asked, ShapesSource(32, options.seed, options.batch), eye)


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_discriminators_loss_is_the_sum_of_its_terms() -> None:
    task = make(reconstruction=3.0)
    loss, values = task.judge(1, 0)
    assert values.keys() == {"true", "drawn", "painted"}
    total = values["true"] + values["drawn"] + 3 * values["painted"]
    assert float(loss.detach()) == pytest.approx(float(total), rel=1e-6)
    task.perceptual = lambda ours, theirs: (ours - theirs).abs().mean((1, 2, 3)) * 0 + 5
    assert float(task.judge(1, 0)[1]["painted"]) > 14


def test_logits_beyond_their_marks_cost_nothing() -> None:
    task = make(reconstruction=0.0)
    marks = torch.cat([task._smoothed(torch.zeros(4, 50)) for _ in range(8)])
    assert (float(marks.min()) > 0.8, float(marks.max()) < 1) == (True, True)
    assert marks.std() > 0.03
    told = iter([torch.full((4, 50), value) for value in (1.0, -1.0, 0.25, 0.0, 0.0)])
    real = task._judge
    task._judge = lambda *given: (next(told), real(*given)[1])
    assert float(task.judge(0, 0)[0].detach()) == 0  # true ones at 1, drawn ones at -1
    assert float(task.loss(0)[0]) == -0.25
    assert float(task.judge(0, 0)[0].detach()) == pytest.approx(1.8, abs=0.03)


def test_neither_network_learns_from_the_others_loss() -> None:
    task = make()
    ours, theirs = list(task.model.parameters()), list(task.discriminator.parameters())
    loss, _ = task.judge(0, 0)
    gradients = torch.autograd.grad(loss, [*ours, *theirs], allow_unused=True)
    assert [g is None for g in gradients] == [True] * len(ours) + [False] * len(theirs)
    loss, _ = task.loss(0)
    gradients = torch.autograd.grad(loss, [*ours, *theirs], allow_unused=True)
    assert not any(g is not None for g in gradients[len(ours) :])
    assert all(g is not None for g in gradients[: len(ours)])


def test_true_pictures_are_mirrored_half_of_the_time() -> None:
    options = replace(OPTIONS, batch=32)
    plain, task = make(options).pictures(0), make(options, flip=True)
    torch.manual_seed(0)
    seen = task.pictures(0)
    kept = (seen == plain).flatten(1).all(1)
    assert 8 < int(kept.sum()) < 24
    assert torch.equal(seen[~kept], plain[~kept].flip(3))


def test_a_killed_run_goes_on_to_equal_weights(tmp_path: Path) -> None:
    whole = Training(make(), OPTIONS, tmp_path / "whole")
    whole.run(quiet=True)
    first = Training(make(), OPTIONS, tmp_path / "parts")
    for _ in range(3):
        first.run_step()
        first.save()
    first.run_step()  # lost by the kill
    second = Training(make(), OPTIONS, tmp_path / "parts")
    torch.rand(3)
    assert second.resume()
    second.run(quiet=True)
    assert same(whole.task.model, second.task.model)
    assert same(whole.average, second.average)
    assert same(whole.recipe.partners["discriminator"].module, second.recipe.partners["discriminator"].module)
    assert whole.best == second.best


def test_another_fastgan_does_not_resume(tmp_path: Path) -> None:
    Training(make(), OPTIONS, tmp_path).save()
    with pytest.raises(UserError, match="another augment, flip;"):
        Training(make(augment=(), flip=True), OPTIONS, tmp_path).resume()


def test_averaged_weights_get_statistics_of_their_own(tmp_path: Path) -> None:
    training = Training(make(), OPTIONS, tmp_path)
    for _ in range(2):
        training.run_step()
    before = {name: tensor.clone() for name, tensor in training.average.state_dict().items()}
    ready = training.task.ready(training.average)  # pyright: ignore[reportAttributeAccessIssue]
    assert all(torch.equal(tensor, before[name]) for name, tensor in training.average.state_dict().items())
    assert (ready.training, ready.calibrated) == (False, True)
    assert not torch.equal(ready.init.init[1].running_var, before["init.init.1.running_var"])
    z, noise = next(settling(ready, torch.device("cpu")))
    settled = ready(z, noise)
    ready.normalise_by("batch")
    assert (ready(z, noise) - settled).square().mean() < 0.3 * settled.var()


def test_spectral_norm_holds_every_convolution(tmp_path: Path) -> None:
    training = Training(make(), OPTIONS, tmp_path)
    for _ in range(3):
        training.run_step()
    ready = training.task.ready(training.average)  # pyright: ignore[reportAttributeAccessIssue]
    for layer in ready.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            rows = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
            assert float(torch.linalg.matrix_norm(rows.flatten(1), 2)) == pytest.approx(1, rel=0.25)


def test_the_exported_file_is_a_checkpoint_like_any_other(tmp_path: Path) -> None:
    task = make()
    metrics = task.export(task.model, tmp_path / "it.safetensors")
    tensors = load_file(tmp_path / "it.safetensors")
    assert {value.dtype for value in tensors.values() if value.is_floating_point()} == {torch.float16}
    model = build(tensors, "it")
    assert (model.geometry, model.calibrated) == (GEOMETRY, True)
    assert metrics == task.evaluate(model)
    assert metrics.keys() == {"kernel_distance", "diversity"}


def test_pictures_like_the_held_out_ones_measure_best() -> None:
    task = make()
    drawn = task.evaluate(task.model)
    assert drawn["kernel_distance"] > 1
    task._seen = lambda pictures: task._true  # pyright: ignore
    same_ones = task.evaluate(task.model)
    assert same_ones["diversity"] == 1
    assert same_ones["kernel_distance"] < min(1, drawn["kernel_distance"])


def test_the_sheet_shows_true_pictures_above_drawn_ones() -> None:
    task = make()
    sheet = task.sheet(task.model)
    assert sheet.shape == (5 * 34 + 2, 8 * 34 + 2, 3)
    truth = task.source.held_out(8).permute(0, 2, 3, 1).numpy()
    assert (sheet[2:34, 2:34] == truth[0]).all()
    drawn = next(samples(task.ready(task.model), 32))[0]
    expected = drawn.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    assert (sheet[36:68, 2:34] == expected).all()


def test_latents_are_the_same_again() -> None:
    model = make().model
    z, noise = latents(model, 3, 5, torch.device("cpu"))
    again, other = latents(model, 3, 2, torch.device("cpu")), latents(model, 4, 2, torch.device("cpu"))
    assert torch.equal(again[0], z[:2])
    assert torch.equal(again[1][8], noise[8][:2])
    assert (other[0] != z[:2]).all()
