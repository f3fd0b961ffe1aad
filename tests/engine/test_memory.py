"""Memory: the estimate's arithmetic, its measurement of a perceptor, the refusal, and batches that fit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastclipgen.engine.memory import (
    ACTIVATION_SLACK,
    CANVAS_COPIES,
    FUSED_VIEW_COPIES,
    VIEW_COPIES,
    Estimate,
    Guide,
    activation_bytes,
    estimate,
    format_bytes,
    guide,
    is_out_of_memory,
    plan,
)
from fastclipgen.engine.micro_batch import Cut
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
    assert guide(perceptor, 6, CPU) == Guide(6, 8, kept * 2, guide(perceptor, 6, CPU).copies)
    assert perceptor.module.stem.weight.device == CPU  # pyright: ignore[reportAttributeAccessIssue]


def test_a_module_that_needs_values_gets_the_rule_of_thumb() -> None:
    perceptor = as_perceptor(Tiny(stays_here=True))
    parameters = 3 * 8 * 9 + 8
    assert activation_bytes(perceptor) == int(14 * 1 * parameters**0.5) * 4


def test_absurd_sizes_are_refused_with_both_numbers() -> None:
    with pytest.raises(UserError, match=r"one picture of 1000000x1000000 would need about .* TiB .*smaller picture"):
        plan(estimate(1, 10**6, 10**6, []), CPU, 1, 1)
    views = estimate(4, 64, 64, [Guide(10**6, 224, 10**7)])
    with pytest.raises(UserError, match=r"one picture .* 1\.9 GiB can be used on cpu; ask for fewer views"):
        plan(views, CPU, 1, 10**6, budget=int(1.9 * GIB))


def parts(optimiser: int, picture: int, views: int, perceptors: int, pictures: int = 1) -> Estimate:
    found = {"optimiser": optimiser, "picture": picture, "views": views, "perceptors": perceptors}
    return Estimate(pictures, "1x1", found)


def test_what_fits_is_not_cut() -> None:
    run = parts(10, 20, 30, 40, pictures=8)
    assert plan(run, CPU, 1, 4, budget=10**6) == (8, Cut())
    assert plan(run, CPU, 1, 4, budget=800) == (8, Cut())
    assert plan(run, CPU, 1, 4, budget=799) == (7, Cut())
    assert plan(run, CPU, 3, 4, budget=899) == (2, Cut()), "every track of a picture goes through the step"
    assert plan(run, CPU, 1, 4, budget=100) == (1, Cut())


def test_tracks_are_cut_first_and_then_views() -> None:
    run = parts(10, 20, 30, 40, pictures=8)
    assert plan(run, CPU, 3, 4, budget=299) == (1, Cut(rows=2)), "3 x 10 kept, 2 x 90 under way"
    assert plan(run, CPU, 3, 4, budget=120) == (1, Cut(rows=1))
    assert plan(run, CPU, 3, 4, budget=119) == (1, Cut(rows=1, views=3)), "3 x 10, 20, 30 and 3 of 4 quarters of 40"
    assert plan(run, CPU, 3, 4, budget=90) == (1, Cut(rows=1, views=1))
    with pytest.raises(UserError, match="one picture"):
        plan(run, CPU, 3, 4, budget=89)


def test_the_budget_is_what_is_free_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    run = parts(10, 20, 30, 40, pictures=8)
    monkeypatch.setattr("fastclipgen.engine.memory.free_bytes", lambda device: 500)
    assert plan(run, CPU, 1, 4) == (4, Cut()), "450 usable"
    assert plan(run, CPU, 1, 4, budget=700) == (7, Cut())
    monkeypatch.setattr("fastclipgen.engine.memory.free_bytes", lambda device: None)
    assert plan(parts(10**20, 0, 0, 0, pictures=8), CPU, 1, 4) == (8, Cut()), "where it is unknown nothing is refused"


def test_compiled_cutouts_need_fewer_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    perceptor = as_perceptor(Tiny())
    for backend, copies in (("reference", VIEW_COPIES), ("cpp", FUSED_VIEW_COPIES)):
        monkeypatch.setattr("fastclipgen.engine.memory.library.choose", lambda op, device, b=backend: b)
        assert guide(perceptor, 2, CPU).copies == copies
    assert estimate(1, 1, 1, [Guide(2, 8, 0, 5)]).parts["views"] == 2 * 5 * 3 * 8 * 8 * 4


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("not enough memory: you tried to allocate"), True),
        (RuntimeError("a mistake"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_errors_of_memory(error: Exception, wanted: bool) -> None:
    assert is_out_of_memory(error) is wanted


def test_sizes_for_people() -> None:
    assert [format_bytes(n) for n in (2048, 3 * 1024**2, 1536 * 1024**2, 2 * 1024**4)] == [
        "2 KiB", "3 MiB", "1.5 GiB", "2.0 TiB",
    ]  # fmt: skip
