"""The built-in CLIP's training: its loss in a case worked out by hand, and a few steps of the real task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastclipgen.data.shapes import FACTS, ShapesDataset
from fastclipgen.data.shapes_captions import COLOUR0, GROUND0, PLACE, SHAPE0, SIZE0, VALUES, true_of
from fastclipgen.training import clip
from fastclipgen.training.ascents import Climbing
from fastclipgen.training.clip import DISTRACTORS, LABELS, CLIPTask, contrast, label_loss, retrieval
from fastclipgen.training.loop import TrainOptions

OPTIONS = TrainOptions(steps=2, batch=8, learning_rate=1e-3, warmup=1)


@pytest.fixture(scope="module")
def task() -> Iterator[CLIPTask]:
    with torch.random.fork_rng(devices=[]):
        yield CLIPTask(OPTIONS, bf16=False)


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert [name for name, value in first.items() if not torch.equal(value, second[name])] == []


def unit(*rows: list[float]) -> torch.Tensor:
    return F.normalize(torch.tensor(rows), dim=1)


def test_contrast_by_hand() -> None:
    """Two pictures, their captions and one near miss, one piece of junk; scale 2."""
    image = unit([1.0, 0.0], [0.0, 1.0])
    text = unit([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0])
    junk = unit([0.0, -1.0])
    none = torch.zeros(2, 3, dtype=torch.bool)
    nothing = torch.zeros(2, 1, dtype=torch.bool)
    scale = torch.tensor(2.0)

    def entropy(right: float, *wrong: float) -> float:
        return math.log(sum(math.exp(v) for v in (right, *wrong))) - right

    pictures = [entropy(2, 0, -2), entropy(2, 0, 0)]
    captions = [entropy(2, 0, 0), entropy(2, 0, -2)]
    wanted = 0.5 * sum(pictures) / 2 + 0.5 * sum(captions) / 2
    assert contrast(image, text, scale, none, junk, nothing).item() == pytest.approx(wanted)

    # a caption that is true of picture 0 as well is no negative of it, in either direction
    true = none.clone()
    true[0, 1] = True
    wanted = 0.5 * (entropy(2, -2) + entropy(2, 0, 0)) / 2 + 0.5 * (entropy(2, 0, 0) + entropy(2, -2)) / 2
    assert contrast(image, text, scale, true, junk, nothing).item() == pytest.approx(wanted)
    # marking a picture's own caption true changes nothing
    own = none.clone()
    own[0, 0] = own[1, 1] = True
    assert torch.equal(
        contrast(image, text, scale, own, junk, nothing), contrast(image, text, scale, none, junk, nothing)
    )
    # a caption without a shape is not held against junk
    wanted = 0.5 * sum(pictures) / 2 + 0.5 * (entropy(2, 0) + entropy(2, 0, -2)) / 2
    shapeless = torch.tensor([[True], [False]])
    assert contrast(image, text, scale, none, junk, shapeless).item() == pytest.approx(wanted)


def test_label_loss_is_the_mean_over_the_heads() -> None:
    facts = torch.zeros(2, len(FACTS), dtype=torch.int64)
    facts[:, 0] = 1  # one object
    sizes = [VALUES[c] for c in LABELS]
    blank = torch.zeros(2, sum(sizes))
    assert label_loss(blank, facts).item() == pytest.approx(sum(math.log(n) for n in sizes) / len(sizes))
    sure = F.pad(torch.full((2, 1), 50.0), (0, sum(sizes) - 1))  # the first head knows
    assert label_loss(sure, facts).item() == pytest.approx(sum(math.log(n) for n in sizes[1:]) / len(sizes), abs=1e-5)


def test_labels_that_do_not_apply_are_left_out() -> None:
    facts = torch.zeros(2, len(FACTS), dtype=torch.int64)
    facts[:, 0] = 1
    sizes = [VALUES[c] for c in LABELS]
    column = LABELS.index(5)  # the second object's shape
    facts[0, 5] = -1
    logits = torch.zeros(2, sum(sizes))
    logits[0, sum(sizes[:column])] = 100.0  # wrong or right, nobody asks
    wanted = sum(math.log(n) for n in sizes) / len(sizes)
    assert label_loss(logits, facts).item() == pytest.approx(wanted)
    facts[:, 5] = -1
    assert label_loss(logits, facts).item() == pytest.approx(wanted - math.log(sizes[column]) / len(sizes))


def test_stages_go_from_easy_to_hard() -> None:
    stages = [clip.stage(step, 1000) for step in range(1000)]
    assert stages[0] == (1.0, 0.2, 0.0)
    assert stages[-1] == (0.25, 1.0, 1.0)
    for before, after in pairwise(stages):
        assert after.easy <= before.easy
        assert after.disturbed >= before.disturbed
        assert after.attacked >= before.attacked
    assert clip.stage(150, 1000).attacked == 0 < clip.stage(152, 1000).attacked


def test_the_loss_is_finite_and_decided_by_the_step(task: CLIPTask) -> None:
    task.model.train()
    before = deepcopy(task.model.state_dict())
    loss, values = task.loss(1)
    assert {"contrast", "labels", "right", "scale"} <= set(values)
    assert all(value.isfinite() and not value.requires_grad for value in values.values())
    assert 0 <= values["right"] <= 1
    task.model.load_state_dict(before)  # the adversary sees the running statistics, which a loss moves
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        again, _ = task.loss(1)
    torch.testing.assert_close(again, loss)
    task.model.load_state_dict(before)
    assert abs(float(task.loss(0)[0].detach()) - float(loss.detach())) > 1e-4


def test_steps_lower_the_loss_of_a_batch_and_move_every_weight(task: CLIPTask) -> None:
    before = {name: value.detach().clone() for name, value in task.model.named_parameters()}
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-3, weight_decay=0)
    task.model.train()
    losses = []
    for _ in range(2):
        loss, _ = task.loss(0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert [name for name, value in task.model.named_parameters() if torch.equal(value, before[name])] == []


@pytest.mark.parametrize(("favourite", "wanted"), [(0, 1.0), (3, 0.0)])
def test_retrieval_counts_how_often_the_own_caption_wins(favourite: int, wanted: float) -> None:
    seen: list[str] = []

    def image(views: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[3.0, 0.0]]).expand(len(views), 2)

    def text(texts: list[str]) -> torch.Tensor:
        """Of the eight captions of a picture, the own one first, one is right."""
        seen.extend(texts)
        right = torch.arange(len(texts)) % 8 == favourite
        return torch.stack([right, ~right], 1).float()

    assert retrieval(image, text, pictures=125) == {"retrieval": wanted, "retrieval_hard_views": wanted}
    groups = [seen[i : i + 8] for i in range(0, len(seen), 8)]
    assert len(groups) == 125
    assert all(group.count(group[0]) == 1 for group in groups)


def test_export_is_what_the_perceptor_loads(task: CLIPTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def measure(encode_image: Any, encode_text: Any) -> dict[str, float]:
        pictures = torch.from_numpy(ShapesDataset(1).images(range(6))).permute(0, 3, 1, 2)
        seen["image"], seen["text"] = encode_image(pictures), encode_text(["a red circle", "a blue star"])
        own = task.model.clip.eval()
        with torch.no_grad():
            wanted = F.normalize(own.encode_image(pictures), dim=1)
            words = own.encode_text(task.tokenizer(["a red circle", "a blue star"]), normalize=True)
        # not quite the same, because of half precision and the padding at the picture's edge
        assert (F.normalize(seen["image"], dim=1) * wanted).sum(1).min() > 0.98
        assert (seen["text"] * words).sum(1).min() > 0.999
        return {"retrieval": 1.0}

    monkeypatch.setattr(clip, "retrieval", measure)
    assert task.export(task.model, tmp_path / "shapes_clip.safetensors") == {"retrieval": 1.0}
    assert seen
    assert (tmp_path / "shapes_clip.safetensors").stat().st_size <= 12_000_000


def test_captions_are_own_first_then_near_misses(task: CLIPTask) -> None:
    scenes = task.data.scenes(range(5))
    texts, statements = task._captions(scenes.facts, Random(0), {3: scenes.facts[3]})
    assert len(texts) == len(statements) == 5 * (1 + DISTRACTORS)
    near = statements[5:].reshape(5, DISTRACTORS, -1)
    assert (near != statements[:5, None]).any(-1).all()
    assert len(set(texts)) == len(texts)
    assert np.array_equal(statements[3], scenes.facts[3]), "a given statement is kept"


@pytest.fixture(scope="module")
def refining(task: CLIPTask, tmp_path_factory: pytest.TempPathFactory) -> CLIPTask:
    path = tmp_path_factory.mktemp("run") / "checkpoint.pt"
    torch.save({"average": task.model.state_dict()}, path)
    return CLIPTask(replace(OPTIONS, batch=8), bf16=False, refine=path)


def test_refinement_starts_from_the_given_weights(task: CLIPTask, refining: CLIPTask, tmp_path: Path) -> None:
    assert_equal(refining.model.clip.state_dict(), task.model.clip.state_dict())
    torch.save({"average": refining.model.state_dict()}, tmp_path / "again.pt")
    again = CLIPTask(OPTIONS, bf16=False, refine=tmp_path / "again.pt")
    assert again.model.ascents is not None
    assert (again.model.ascents.scene == -1).all(), "a refined run can be refined again; the ascents begin anew"


def test_a_resumed_refinement_takes_the_same_step(refining: CLIPTask) -> None:
    refining.model.train()
    refining.loss(0)
    state = deepcopy(refining.model.state_dict())
    loss, values = refining.loss(1)
    assert loss.isfinite()
    assert {"cos_true", "cos_pixels", "cos_latents"} <= set(values)
    refining.model.load_state_dict(state)
    torch.testing.assert_close(refining.loss(1)[0], loss)


def test_rivals_and_what_they_make_true(refining: CLIPTask) -> None:
    """The pixels of an ascent are held against the caption climbed to, though not against what else is true of it."""
    scenes = refining.data.scenes(refining.data.mixed(5, OPTIONS.batch, 1.0)[:6])
    statements = scenes.facts.copy()
    statements[5] = -1
    statements[5, COLOUR0] = scenes.facts[0, COLOUR0]  # says the first picture's colour and nothing else
    owners = torch.tensor([0, 3])
    climbing = Climbing(torch.tensor([10, 11]), torch.tensor([True, True]), owners)
    text = F.normalize(torch.randn(6, 128), dim=1)
    pictures, fits = refining._rivals(climbing, text, statements, scenes.facts, torch.Generator().manual_seed(0))
    assert pictures.shape[1:] == (3, 64, 64)
    assert fits.shape == (6, len(pictures))
    ascents, painter = refining.model.ascents, refining.painter
    assert ascents is not None
    assert painter is not None
    torch.testing.assert_close(pictures[-4:-2], ascents.pixels[climbing.rows])
    torch.testing.assert_close(pictures[-2:], painter.draw(ascents.latents[climbing.rows]))
    assert not fits[owners, [-4, -3]].any()
    assert fits[5, -4]
    shown = true_of(statements, painter.facts(ascents.latents[climbing.rows])).T
    assert np.array_equal(fits[:, -2:].numpy(), shown)


def test_what_an_ascent_is_asked_for_names_shape_and_colours() -> None:
    facts = ShapesDataset(0).scenes(range(30)).facts
    for scene, row in enumerate(facts[facts[:, 0] == 1]):
        said = clip.named(row, scene)
        assert (said[[SHAPE0, COLOUR0, GROUND0]] == row[[SHAPE0, COLOUR0, GROUND0]]).all()
        assert (said[[SIZE0, PLACE]] == -1).all() == bool(scene % 3)
