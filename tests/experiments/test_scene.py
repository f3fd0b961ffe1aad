"""The loss of an experiment against sums by hand: features, weights, frames, constraints, masks, several models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from fastclipgen.engine.recipe import Task
from fastclipgen.experiments.scene import Eye, Scene
from fastclipgen.experiments.staging import Stage
from fastclipgen.perceptors import as_perceptor

from .tiny import SIZE, Toy, timetable

PICTURES = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def staged(text: str, eyes: int = 1, epoch: int = 0, weight: float = 1.0) -> tuple[Scene, Task]:
    table = timetable("batch: 2\n" + text)
    models = [Eye(as_perceptor(Toy()), weight) for _ in range(eyes)]
    stage = Stage(table, models, torch.device("cpu"), False, lambda line: None, [0, 1])
    [phase] = [one for one in table.phases() if one.first <= epoch < one.end]
    scene = stage.scene(range(phase.first, phase.end))
    return scene, Task(table.seeds, (), tables=stage.tables(PICTURES, [0, 1]))


def cosine(pictures: Tensor, text: str) -> Tensor:
    toy = Toy()
    mean, std = (torch.tensor(three).view(3, 1, 1) for three in (Toy.mean, Toy.std))
    return torch.cosine_similarity(toy.encode_image((pictures - mean) / std), toy.encode_text([text])).detach()


def test_the_sum_over_targets_features_and_frames() -> None:
    text = """
targets:
  - weight: 3
    features: [{text: a fox, weight: 2}, {text: a hill, weight: -.5}]
  - batch_size: 4
    features: [{text: a lake, end: 1}, {text: a mill, start: 3}]
    transforms: [{noise: 0}]
  - {active: false, features: [text: a sea]}
"""
    scene, task = staged(text)
    fox, hill, lake = (1 - cosine(PICTURES, name) for name in ("a fox", "a hill", "a lake"))
    torch.testing.assert_close(scene(PICTURES, task, 0), 3 * (2 * fox - 0.5 * hill) + 4 * lake)
    torch.testing.assert_close(scene(PICTURES, task, 2), 3 * (2 * fox - 0.5 * hill))


def test_weights_may_depend_on_the_similarity_of_their_frame() -> None:
    text = "targets: [{weight: 2 + sim, features: [{text: a fox, weight: sim / 10}]}]\n"
    scene, task = staged(text)
    similar = 100 * cosine(PICTURES, "a fox")
    torch.testing.assert_close(scene(PICTURES, task, 0), (2 + similar) * similar / 10 * (1 - similar / 100))


def test_every_model_counts_with_its_weight() -> None:
    text = "targets: [{features: [text: a fox]}]\n"
    scene, task = staged(text, eyes=2, weight=0.25)
    torch.testing.assert_close(scene(PICTURES, task, 0), 0.5 * (1 - cosine(PICTURES, "a fox")))


def test_constraints_see_frames_that_are_not_normalised() -> None:
    text = "targets: [{weight: 2, constraints: [{mean: {above: 1, weight: 3, end: 0}}]}]\n"
    scene, task = staged(text)
    wanted = 2 * 3 * 100 * (1 - PICTURES.mean((2, 3))).square().mean(1)
    torch.testing.assert_close(scene(PICTURES, task, 0), wanted)
    assert scene(PICTURES, task, 1).tolist() == [0, 0]


@pytest.mark.parametrize(("compat", "wanted"), [(False, 0.0), (True, 100 * 0.25)])
def test_the_hinge_is_missing_in_compat_alone(compat: bool, wanted: float) -> None:
    text = f"compat: {str(compat).lower()}\ntargets: [{{constraints: [{{mean: {{above: .25}}}}]}}]\n"
    scene, task = staged(text)
    grey = torch.full_like(PICTURES, 0.75)
    torch.testing.assert_close(scene(grey, task, 0), torch.full((2,), wanted))


@pytest.mark.parametrize(("compat", "wanted"), [(False, 0.25**2 / 3), (True, (0.5 - 1 / 3) ** 2)])
def test_a_file_of_the_old_code_is_drawn_as_that_did(compat: bool, wanted: float) -> None:
    """It had a hinge, and one mean of all channels."""
    text = f"compat: {str(compat).lower()}\ntargets:\n  - constraints: [{{edge_max: {{above: 0}}}}]\n"
    scene, task = staged(text + "  - constraints: [{mean: {above: .5}}, {mean: {below: .9}}]\n")
    reddish = torch.tensor([0.25, 0.75, 0.75]).view(1, 3, 1, 1).expand(2, 3, SIZE, SIZE)
    if compat:
        reddish = reddish - 0.25
    torch.testing.assert_close(scene(reddish, task, 0), torch.full((2,), 100 * wanted))


def test_a_target_with_a_mask_sees_grey_elsewhere(tmp_path: Path) -> None:
    mask = Image.new("L", (SIZE, SIZE))
    mask.paste(255, (0, 0, SIZE // 2, SIZE))
    mask.save(tmp_path / "mask.png")
    scene, task = staged(f"targets: [{{mask: {tmp_path}/mask.png, features: [text: a fox]}}]\n")
    half = PICTURES.clone()
    half[..., SIZE // 2 :] = 0.5
    torch.testing.assert_close(scene(PICTURES, task, 0), 1 - cosine(half, "a fox"))


def test_pictures_of_a_batch_have_their_own_texts() -> None:
    scene, task = staged("targets: [{features: [text: [a fox, a hill]]}]\n")
    wanted = torch.stack([1 - cosine(PICTURES, "a fox")[0], 1 - cosine(PICTURES, "a hill")[1]])
    torch.testing.assert_close(scene(PICTURES, task, 0), wanted)


def test_the_score_is_of_whole_pictures() -> None:
    text = "targets: [{batch_size: 3, features: [{text: a fox, scale: 5}], transforms: [{noise: 9}]}]\n"
    scene, task = staged(text)
    loss, [cosines] = scene.score(PICTURES, task, 0)
    torch.testing.assert_close(cosines[:, 0], cosine(PICTURES, "a fox"))
    torch.testing.assert_close(loss, 1 - cosines[:, 0])


def test_image_features_and_fair_scales(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "red.png")
    text = f"targets: [{{feature_scale: fair, features: [{{image: {tmp_path}/red.png}}, text: a fox]}}]\n"
    _, task = staged(text)
    assert task.tables is not None
    red = torch.zeros(1, 3, SIZE, SIZE)
    red[:, 0] = 1
    mean, std = (torch.tensor(three).view(3, 1, 1) for three in (Toy.mean, Toy.std))
    wanted = torch.nn.functional.normalize(Toy().encode_image((red - mean) / std), dim=-1)
    torch.testing.assert_close(task.tables["features0.0"][:, 0], wanted.expand(2, -1).detach())
    scales = task.tables["scale0.0"]
    assert scales.max(1).values.tolist() == [1, 1]
    assert bool((scales > 0).all())
