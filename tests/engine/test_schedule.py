"""Learning-rate schedules: literal values, warm-up, short runs, and the syntax."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.engine.schedule import Schedule, parse_schedule
from fastclipgen.errors import UserError


@pytest.mark.parametrize(
    ("source", "warmup", "expected"),
    [
        ("constant", 0.0, [2.0, 2.0, 2.0, 2.0, 2.0]),
        ("linear", 0.0, [2.0, 1.5, 1.0, 0.5, 0.0]),
        ("linear:0.5", 0.0, [2.0, 1.75, 1.5, 1.25, 1.0]),
        ("cosine", 0.0, [2.0, 1.7071068, 1.0, 0.2928932, 0.0]),
        ("cosine:0.5", 0.0, [2.0, 1.8535534, 1.5, 1.1464466, 1.0]),
        ("drops", 0.0, [2.0, 2.0, 2.0, 0.2, 0.2]),
        ("drops:0.25, 0.75", 0.0, [2.0, 0.2, 0.2, 0.02, 0.02]),
        ("constant", 0.6, [0.5, 1.0, 1.5, 2.0, 2.0]),
        ("linear", 0.4, [2 / 3, 4 / 3, 2.0, 1.0, 0.0]),
    ],
)
def test_five_steps(source: str, warmup: float, expected: list[float]) -> None:
    rates = parse_schedule(source, warmup).evaluate(5, 2.0)
    assert rates.dtype == torch.float32
    torch.testing.assert_close(rates, torch.tensor(expected))


@pytest.mark.parametrize(("fractions", "steps"), [("drops:0.75", [224]), ("drops:0.5,0.225", [67, 149])])
def test_drops_fall_on_the_steps_pixray_drops_at(fractions: str, steps: list[int]) -> None:
    rates = parse_schedule(fractions).evaluate(300, 1.0)
    assert (torch.nonzero(rates[1:] < rates[:-1]).flatten() + 1).tolist() == steps


@pytest.mark.parametrize("source", ["constant", "linear:0.1", "cosine", "drops:0.75"])
def test_very_short_runs(source: str) -> None:
    assert parse_schedule(source).evaluate(0, 1.0).shape == (0,)
    single = parse_schedule(source, 0.3).evaluate(1, 1.0)
    assert single.shape == (1,)
    assert bool(torch.isfinite(single).all())


@pytest.mark.parametrize(
    ("source", "warmup", "says"),
    [
        ("cosin", 0.0, "did you mean 'cosine'"),
        ("cosine:", 0.0, "expected numbers"),
        ("cosine:slow", 0.0, "expected numbers"),
        ("cosine:1.5", 0.0, "got 1.5"),
        ("cosine:nan", 0.0, "got nan"),
        ("cosine:0.1,0.2", 0.0, r"expected 1 value\(s\) for schedule 'cosine', got 2"),
        ("constant:0.5", 0.0, "got 1"),
        ("drops:-0.1", 0.0, "got -0.1"),
        ("cosine", 1.0, "warm-up"),
        ("cosine", float("nan"), "warm-up"),
    ],
)
def test_mistakes_get_a_sentence(source: str, warmup: float, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_schedule(source, warmup)


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf")])
def test_the_rate_must_be_a_finite_number(lr: float) -> None:
    with pytest.raises(UserError, match="learning rate"):
        Schedule().evaluate(3, lr)
