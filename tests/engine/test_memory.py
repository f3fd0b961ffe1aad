"""Memory: the estimate's arithmetic, its measurement of a perceptor, the refusal, and batches that fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.engine.memory import (
    ACTIVATION_SLACK,
    CANVAS_COPIES,
    VIEW_COPIES,
    Estimate,
    Guide,
    activation_bytes,
    check,
    estimate,
    format_bytes,
    guide,
    images_per_batch,
)
from fastclipgen.errors import UserError
from fastclipgen.perceptors.base import as_perceptor

CPU = torch.device("cpu")
GIB = 1024**3


class Tiny(nn.Module):
    """Keeps its input [3,8,8] and one hidden layer [8,8,8] per view for the backward."""

    image_size = 8

    def __init__(self, stays_here: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.stays_here = stays_here

    def encode_image(self, views: Tensor) -> Tensor:
        hidden = torch.relu(self.stem(views))
        if self.stays_here and bool(hidden.sum() == 12345.0):  # reads a value, which shapes alone do not have
            return hidden.flatten(1)
        return hidden.mean((2, 3))

    def encode_text(self, texts: list[str]) -> Tensor:
        return torch.ones(len(texts), 8)


def test_parts_add_up() -> None:
    run = estimate(3, 10, 20, [Guide(4, 8, 1000), Guide(2, 16, 500)], parameters=50, copies=5)
    assert run.parts == {
        "picture": CANVAS_COPIES * 3 * 10 * 20 * 4,
        "optimiser": 5 * 50 * 4,
        "views": VIEW_COPIES * 3 * 4 * (4 * 8 * 8 + 2 * 16 * 16),
        "perceptors": int(4 * 1000 * ACTIVATION_SLACK) + int(2 * 500 * ACTIVATION_SLACK),
    }
    assert run.total == 3 * run.per_picture == 3 * sum(run.parts.values())
    assert estimate(1, 10, 20, []).parts["optimiser"] == 4 * 3 * 10 * 20 * 4


def test_activations_are_measured_without_running() -> None:
    perceptor = as_perceptor(Tiny())
    kept = (3 + 8) * 8 * 8
    assert activation_bytes(perceptor) == kept * 4
    assert activation_bytes(perceptor.to(CPU, torch.bfloat16)) == kept * 2
    assert guide(perceptor, 6) == Guide(6, 8, kept * 2)
    assert perceptor.module.stem.weight.device == CPU  # pyright: ignore[reportAttributeAccessIssue]


def test_a_module_that_needs_values_gets_the_rule_of_thumb() -> None:
    perceptor = as_perceptor(Tiny(stays_here=True))
    parameters = 3 * 8 * 9 + 8
    assert activation_bytes(perceptor) == int(14 * 1 * parameters**0.5) * 4


def test_absurd_sizes_are_refused_with_both_numbers() -> None:
    with pytest.raises(UserError, match=r"one picture of 1000000x1000000 would need about .* TiB .*smaller picture"):
        check(estimate(1, 10**6, 10**6, []), CPU)
    views = estimate(4, 64, 64, [Guide(10**6, 224, 10**7)])
    with pytest.raises(UserError, match=r"4 pictures .* 1\.8 GiB can be used on cpu; ask for fewer views .* at once"):
        check(views, CPU, free=2 * GIB)


def test_what_fits_passes() -> None:
    run = Estimate(2, "1x1", {"picture": 450})
    check(run, CPU, free=1000)
    with pytest.raises(UserError):
        check(run, CPU, free=999)
    check(estimate(1, 64, 64, []), CPU)


def test_images_per_batch() -> None:
    run = Estimate(8, "1x1", {"picture": 100, "views": 200})
    assert images_per_batch(run, CPU, free=10**6) == 8
    assert images_per_batch(run, CPU, free=1100) == 3  # 990 usable
    with pytest.raises(UserError, match="one picture"):
        images_per_batch(run, CPU, free=300)
    assert images_per_batch(estimate(8, 64, 64, []), CPU) == 8


def test_where_free_memory_is_unknown_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.engine.memory.free_bytes", lambda device: None)
    run = Estimate(8, "1x1", {"picture": 10**20})
    check(run, CPU)
    assert images_per_batch(run, CPU) == 8


def test_sizes_for_people() -> None:
    assert [format_bytes(n) for n in (2048, 3 * 1024**2, 1536 * 1024**2, 2 * 1024**4)] == [
        "2 KiB", "3 MiB", "1.5 GiB", "2.0 TiB",
    ]  # fmt: skip
