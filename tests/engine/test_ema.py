"""The moving average and the best parameters."""

from __future__ import annotations

import math

import pytest
import torch

from fastclipgen.engine.ema import Ema, KeepBest
from fastclipgen.errors import UserError


def planes(*values: float) -> dict[str, torch.Tensor]:
    """Parameters of len(values) pictures: 'p' [B,2,2] and 'q' [B] of one value each."""
    rows = torch.tensor(values)
    return {"p": rows.view(-1, 1, 1).expand(-1, 2, 2).clone(), "q": rows}


def test_average_is_bias_corrected() -> None:
    ema = Ema(0.5)
    state = ema.init(planes(0.0))
    state = ema.update(state, planes(4.0))
    assert ema.read(state, planes(9.0))["q"].tolist() == [4.0]
    state = ema.update(state, planes(1.0))
    # weights 0.25 and 0.5 of the two, over their sum 0.75
    torch.testing.assert_close(ema.read(state, planes(9.0))["p"], planes((0.25 * 4 + 0.5 * 1) / 0.75)["p"])


@pytest.mark.parametrize("decay", [0.0, 0.999])
def test_without_updates_the_parameters_come_back(decay: float) -> None:
    ema = Ema(decay)
    assert ema.read(ema.init(planes(3.0)), planes(3.0))["q"].tolist() == [3.0]


def test_decay_zero_follows_exactly_and_is_off() -> None:
    ema = Ema(0.0)
    state = ema.update(ema.update(ema.init(planes(0.0)), planes(0.7)), planes(0.3))
    assert torch.equal(ema.read(state, planes(9.0))["p"], planes(0.3)["p"])
    assert not ema.enabled
    assert Ema(0.1).enabled


@pytest.mark.parametrize("decay", [-0.1, 1.0, math.nan])
def test_decay_range(decay: float) -> None:
    with pytest.raises(UserError, match="EMA decay"):
        Ema(decay)


def test_best_is_per_picture_and_ignores_the_first_and_the_non_finite() -> None:
    keep = KeepBest(ignore=1)
    state = keep.init(planes(0.0, 0.0, 0.0))
    losses = [[0.0, 0.0, 0.0], [0.5, 0.9, math.nan], [0.7, 0.2, math.inf], [0.5, -math.inf, math.nan]]
    for step, loss in enumerate(losses):
        state = keep.update(state, torch.tensor(loss), planes(*[10.0 * step + i for i in range(3)]))
    assert state.loss.tolist() == [0.5, pytest.approx(0.2), math.inf]
    best = keep.read(state, planes(99.0, 99.0, 99.0))
    assert best["q"].tolist() == [10.0, 21.0, 99.0]  # equal losses: the earlier; none that counts: the given ones
    assert best["p"][:, 1, 1].tolist() == [10.0, 21.0, 99.0]


def test_ignore_must_not_be_negative() -> None:
    with pytest.raises(UserError, match="ignore"):
        KeepBest(-1)


def test_both_compile_once_for_all_steps() -> None:
    torch.compiler.reset()
    ema, keep = Ema(0.9), KeepBest(1)

    def step(average, best, loss, params):
        return ema.update(average, params), keep.update(best, loss, params)

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    average, best = ema.init(planes(0.0, 0.0)), keep.init(planes(0.0, 0.0))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for i in range(4):
            average, best = compiled(average, best, torch.tensor([1.0 - i, 1.0 + i]), planes(float(i), float(i)))
    assert keep.read(best, planes(9.0, 9.0))["q"].tolist() == [3.0, 1.0]
