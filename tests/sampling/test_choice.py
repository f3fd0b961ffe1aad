"""How a token is drawn, against the same in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fastclipgen.errors import UserError
from fastclipgen.sampling.choice import Choice, choose, guide, rank

EVERYTHING = Choice(top_k=0, top_p=1.0)
CASES = [
    EVERYTHING,
    Choice(0.5, top_k=0, top_p=1.0),
    Choice(2.0, top_k=5, top_p=1.0),
    Choice(1.0, top_k=0, top_p=0.8),
    Choice(1.3, top_k=7, top_p=0.6),
    Choice(1.0, top_k=500, top_p=0.01),
]


def expected(logits: list[float], choice: Choice) -> dict[int, float]:
    """Probability of each token that can be drawn."""
    order = sorted(range(len(logits)), key=lambda token: -logits[token])
    order = order[: choice.top_k] if choice.top_k else order
    weights = {token: math.exp(logits[token] / choice.temperature) for token in order}
    total, before, kept = sum(weights.values()), 0.0, {}
    for token in order:
        if before > choice.top_p:
            break
        kept[token] = weights[token] / total
        before += kept[token]
    return {token: p / sum(kept.values()) for token, p in kept.items()}


def drawn(logits: Tensor, choice: Choice, count: int = 20_000) -> dict[int, float]:
    """Share of each token among draws with evenly spread uniform numbers."""
    uniform = (torch.arange(count) + 0.5) / count
    tokens = choose(logits.expand(count, -1), uniform, choice)
    values, counts = tokens.unique(return_counts=True)
    return dict(zip(values.tolist(), (counts / count).tolist(), strict=True))


@pytest.mark.parametrize("choice", CASES)
def test_tokens_are_drawn_as_often_as_they_are_likely(choice: Choice) -> None:
    logits = 2 * torch.randn(1, 23, generator=torch.Generator().manual_seed(3))
    shares, wanted = drawn(logits, choice), expected(logits[0].tolist(), choice)
    assert shares.keys() == wanted.keys()
    assert all(abs(shares[token] - wanted[token]) < 2e-4 for token in wanted)


def test_top_p_keeps_the_token_that_exceeds_it_and_counts_what_top_k_left() -> None:
    logits = torch.tensor([[0.2, 0.1, 0.4, 0.3]]).log()
    assert drawn(logits, Choice(top_k=0, top_p=0.35)).keys() == {2}
    assert drawn(logits, Choice(top_k=0, top_p=0.45)).keys() == {2, 3}
    assert drawn(logits, Choice(top_k=2, top_p=0.45)).keys() == {2}  # 0.4 of 0.7 are more than 0.45


def test_temperature_0_takes_the_likeliest() -> None:
    logits = torch.tensor([[0.0, 3.0, 2.0], [5.0, 1.0, 4.0]])
    assert choose(logits, torch.tensor([0.99, 0.99]), Choice(temperature=0)).tolist() == [1, 0]


def test_rows_do_not_touch_each_other() -> None:
    generator = torch.Generator().manual_seed(5)
    logits, uniform = torch.randn(6, 40, generator=generator), torch.rand(6, generator=generator)
    choice = Choice(1.5, 20, 0.9)
    together = choose(logits, uniform, choice)
    alone = torch.cat([choose(logits[i : i + 1], uniform[i : i + 1], choice) for i in range(6)])
    assert torch.equal(together, alone)
    assert len(together.unique()) > 1


def test_no_uniform_number_gives_a_token_of_weight_0() -> None:
    largest = 1 - 2.0**-24
    weights = torch.tensor([0.0, 0.3, 0.0, 0.1, 0.0, 0.0]).expand(3, -1)
    assert rank(weights, torch.tensor([0.0, 0.9, largest])).tolist() == [1, 3, 3]
    totals = torch.cat([torch.rand(1000, generator=torch.Generator().manual_seed(0)), 2.0 ** torch.arange(-30, 3)])
    rows = torch.stack([totals, torch.zeros_like(totals)], dim=1)  # whatever the product rounds to
    assert rank(rows, torch.full_like(totals, largest)).eq(0).all()


def test_logits_that_are_far_apart_stay_finite() -> None:
    logits = torch.tensor([[-1e4, 1e4, -torch.inf, 0.0]])
    for u in (0.0, 0.5, 1 - 2.0**-24):
        assert choose(logits, torch.tensor([u]), EVERYTHING).tolist() == [1]


def test_guidance() -> None:
    given, bare = torch.tensor([[1.0, 2.0], [0.0, 4.0]]), torch.tensor([[3.0, 2.0], [1.0, 1.0]])
    both = torch.cat([given, bare])
    torch.testing.assert_close(guide(both, Choice(guidance=3.0)), torch.tensor([[-3.0, 2.0], [-2.0, 10.0]]))
    torch.testing.assert_close(guide(both, Choice(guidance=0.0)), bare)
    assert Choice(guidance=3.0).guided
    assert not Choice().guided


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"temperature": -0.1}, "temperature must be 0 or more"),
        ({"temperature": math.nan}, "temperature must be 0 or more"),
        ({"top_k": -1}, "top_k must be 0"),
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.1}, "top_p must be above 0"),
        ({"guidance": math.inf}, "guidance must be a finite number"),
    ],
)
def test_choices_that_cannot_be(changed: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Choice(**changed)  # pyright: ignore[reportArgumentType]
