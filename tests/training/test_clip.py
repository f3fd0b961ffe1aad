"""The built-in CLIP's training: its loss in a case worked out by hand, and a few steps of the real task."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from fastclipgen.data.shapes import FACTS
from fastclipgen.training.clip import DISTRACTORS, LABELS, VALUES, CLIPTask, contrast, label_loss
from fastclipgen.training.loop import TrainOptions

OPTIONS = TrainOptions(steps=2, batch=8, learning_rate=1e-3, warmup=1)


@pytest.fixture(scope="module")
def task() -> Iterator[CLIPTask]:
    with torch.random.fork_rng(devices=[]):
        yield CLIPTask(OPTIONS, bf16=False)


def unit(*rows: list[float]) -> torch.Tensor:
    return F.normalize(torch.tensor(rows), dim=1)


def test_contrast_by_hand() -> None:
    """Two pictures, their captions and one near miss, one piece of junk; scale 2."""
    image = unit([1.0, 0.0], [0.0, 1.0])
    text = unit([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0])
    junk = unit([0.0, -1.0])
    none = torch.zeros(2, 3, dtype=torch.bool)
    nothing = torch.zeros(2, dtype=torch.bool)
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
    shapeless = torch.tensor([True, False])
    assert contrast(image, text, scale, none, junk, shapeless).item() == pytest.approx(wanted)


def test_label_loss_is_the_mean_over_the_heads() -> None:
    facts = torch.zeros(2, len(FACTS), dtype=torch.int64)
    facts[:, 0] = 1  # one object
    sizes = [VALUES[c] for c in LABELS]
    blank = torch.zeros(2, sum(sizes))
    assert label_loss(blank, facts).item() == pytest.approx(sum(math.log(n) for n in sizes) / len(sizes))
    sure = F.pad(torch.full((2, 1), 50.0), (0, sum(sizes) - 1))  # the first head knows
    assert label_loss(sure, facts).item() == pytest.approx(sum(math.log(n) for n in sizes[1:]) / len(sizes), abs=1e-5)


def test_the_loss_is_finite_reproducible_and_reaches_all_weights(task: CLIPTask) -> None:
    task.model.train()
    loss, values = task.loss(1)
    assert {"contrast", "labels", "right", "scale"} <= set(values)
    assert all(value.isfinite() and not value.requires_grad for value in values.values())
    assert 0 <= values["right"] <= 1
    task.model.zero_grad()
    loss.backward()
    idle = [name for name, p in task.model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    # at most the scale, where it is at its bound
    assert [name for name in idle if "logit_" not in name] == []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)  # the step's number decides, not torch's own generator
        again, _ = task.loss(1)
    torch.testing.assert_close(again, loss, atol=1e-3, rtol=1e-3)
    assert abs(float(task.loss(0)[0].detach()) - float(loss.detach())) > 1e-4
    task.model.zero_grad()


def test_steps_lower_the_loss_of_a_batch(task: CLIPTask) -> None:
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-3)
    task.model.train()
    losses = []
    for _ in range(4):
        loss, _ = task.loss(0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_evaluate_gives_the_documented_metrics(task: CLIPTask) -> None:
    model = task.model.eval()
    metrics = task.evaluate(model, pictures=24)
    assert set(metrics) == {"retrieval", "retrieval_hard_views"}
    assert all(0 <= value <= 1 for value in metrics.values())
    assert task.evaluate(model, pictures=24) == metrics


def test_captions_are_own_first_then_near_misses(task: CLIPTask) -> None:
    from random import Random

    scenes = task.data.scenes(range(5))
    texts, statements = task._captions(scenes.facts, Random(0))
    assert len(texts) == len(statements) == 5 * (1 + DISTRACTORS)
    near = statements[5:].reshape(5, DISTRACTORS, -1)
    assert (near != statements[:5, None]).any(-1).all()
    assert len(set(texts)) == len(texts)
