"""Expressions of a similarity on the device: literal values, agreement with the schedule, no wait for the host."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fastclipgen.errors import UserError
from fastclipgen.recipes.expressions import parse
from fastclipgen.recipes.live import Live
from fastclipgen.recipes.variables import CONSTRAINT, FEATURE, Schedule

SCHEDULE = Schedule(5, torch.tensor([4, 5]))  # t = 0, .25, .5, .75, 1


def live(text: str, epoch: int, similarity: torch.Tensor) -> torch.Tensor:
    return Live(parse(text, "x", FEATURE), SCHEDULE, "cpu")(torch.tensor([epoch]), similarity)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sim", [-4, 30]),
        ("sim + 1", [-3, 31]),
        ("sim * t", [-1, 7.5]),
        ("2 if sim > 20 * t2 else ti", [0.75, 2]),
        ("similarity > 0", [0, 1]),
        ("max(0, sim) ** .5", [0, 30**0.5]),
        ("(t < .5) * sim", [-4, 30]),
        ("[1, sim, 3][int(sim) % 3]", [3, 1]),
        ("(sim > 0) + (t < .1) + 1", [1, 2]),
        ("1 / (sim + 4)", [0, 1 / 34]),
    ],
)
def test_literal_values(text: str, expected: list[float]) -> None:
    assert live(text, 1, torch.tensor([-4.0, 30.0])).tolist() == pytest.approx(expected, rel=1e-6)


def test_any_shape_with_the_pictures_first() -> None:
    similarity = torch.arange(12.0).reshape(2, 3, 2)
    draws = parse("random()", "x", FEATURE).over(SCHEDULE)[3].float()  # [B]
    found = live("random() + sim", 3, similarity)
    assert torch.equal(found, draws[:, None, None] + similarity)


def test_half_precision_similarities_give_float32() -> None:
    assert live("sim / 3", 0, torch.tensor([1.0], dtype=torch.bfloat16)).dtype == torch.float32


def test_only_what_changes_with_similarity_is_computed_in_the_step() -> None:
    step = Live(parse("sim * (sin(t) + cos(t2) * {0: 1}.get(epoch, 5))", "x", FEATURE), SCHEDULE, "cpu")
    assert len(step._nodes) == 2  # the similarity and one product
    assert step.table.shape == (1, 5, 1)


@pytest.mark.parametrize("text", ["sim / 0", "sim * (1/t)", "sqrt(-sim)", "sim / (sim - 20)"])
def test_what_is_not_finite_for_a_usual_similarity_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match=r"at epoch 0 of 0\.\.4 for a similarity of 20"):
        Live(parse(text, "x", CONSTRAINT), SCHEDULE, "cpu")


def test_the_step_neither_reads_a_value_back_nor_breaks_the_graph() -> None:
    step = Live(parse("sim * ts(.1, .5) if sim > 10 * t else uniform(1, 2)", "x", FEATURE), SCHEDULE, "cpu")
    epoch, similarity = torch.tensor([2]), torch.tensor([3.0, 40.0])
    compiled = torch.compile(step, fullgraph=True, backend="eager")
    assert torch.equal(compiled(epoch, similarity), step(epoch, similarity))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:  # a fake tensor has no value that could be read
        assert step(mode.from_tensor(epoch), mode.from_tensor(similarity)).shape == (2,)


@pytest.mark.gpu
def test_on_a_gpu_without_a_synchronisation() -> None:
    expression = parse("sim * t if sim > 10 * ti else uniform(1, sim)", "x", FEATURE)
    here, there = (Live(expression, SCHEDULE, device) for device in ("cpu", "cuda"))
    epoch, similarity = torch.tensor([2]), torch.tensor([3.0, 40.0])
    inputs = epoch.cuda(), similarity.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = there(*inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.allclose(found.cpu(), here(epoch, similarity), rtol=1e-6)
