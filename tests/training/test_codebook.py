"""How codes learn: moving averages, gradients, and those that nothing chooses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fastclipgen.training.codebook import CodeOptions, CodeTrainer

STILL = CodeOptions(restart_every=0)


def trainer(codes: list[list[float]], options: CodeOptions = STILL) -> CodeTrainer:
    return CodeTrainer(nn.Parameter(torch.tensor(codes)), options, seed=5)


Z = [[0.0, 0.2], [0.0, -0.4], [4.0, 5.0]]


def test_the_loss_is_that_of_the_paper() -> None:
    codes = trainer([[0.0, 0.0], [4.0, 4.0]], CodeOptions("gradient", commitment=0.25, restart_every=0))
    z = torch.tensor(Z, requires_grad=True)
    found = codes.quantize(z, 0)
    assert found.indices.tolist() == [0, 0, 1]
    squared = (0.04 + 0.16 + 1.0) / 6
    assert float(found.loss.detach()) == pytest.approx(1.25 * squared)
    found.loss.backward()
    assert z.grad is not None
    torch.testing.assert_close(z.grad, 0.25 * 2 / 6 * torch.tensor([[0.0, 0.2], [0.0, -0.4], [0.0, 1.0]]))
    assert codes.codes.grad is not None
    torch.testing.assert_close(codes.codes.grad, -2 / 6 * torch.tensor([[0.0, -0.2], [0.0, 1.0]]))
    assert codes.codes.tolist() == [[0.0, 0.0], [4.0, 4.0]], "the optimiser moves them, nothing else"


def test_moving_averages_of_what_chose_a_code() -> None:
    options = CodeOptions("ema", decay=0.9, restart_every=0)
    codes = trainer([[0.0, 0.0], [4.0, 4.0], [9.0, 9.0]], options)
    z = torch.tensor(Z, requires_grad=True)
    found = codes.quantize(z, 0)
    assert found.codes.tolist() == [[0.0, 0.0], [0.0, 0.0], [4.0, 4.0]], "those from before this step"
    torch.testing.assert_close(codes.codes.detach(), torch.tensor([[0.0, -0.1], [4.0, 5.0], [9.0, 9.0]]))
    codes.quantize(torch.tensor([[0.0, 0.5]]), 1)
    counts, total = 0.9 * 0.2 + 0.1, 0.9 * 0.1 * -0.2 + 0.1 * 0.5
    torch.testing.assert_close(codes.codes[0].detach(), torch.tensor([0.0, total / counts]))
    assert codes.counts.tolist() == pytest.approx([counts, 0.09, 0.0])
    found.loss.backward()
    assert codes.codes.grad is None
    assert not codes.codes.requires_grad
    assert z.grad is not None
    assert bool(z.grad.any()), "the encoder is pulled all the same"


def test_dead_codes_become_vectors_of_the_batch() -> None:
    options = CodeOptions("gradient", restart_every=2, restart_below=0.01, restart_until=10)
    codes = trainer([[0.0, 0.0], [4.0, 4.0], [9.0, 9.0]], options)
    codes.counts.copy_(torch.tensor([1.0, 0.009, 0.0]))
    z = torch.tensor(Z)  # 3 vectors for 3 codes: used once each if all were alike
    assert codes.restart(z, 4) == 2
    alive, *reborn = codes.codes.detach().tolist()
    assert alive == [0.0, 0.0]
    vectors = [pytest.approx(vector) for vector in Z]
    assert all(code in vectors for code in reborn)
    assert codes.counts.tolist() == pytest.approx([1.0, 0.1, 0.1])
    torch.testing.assert_close(codes.sums[1:], codes.codes.detach()[1:] * 0.1)


def test_restarts_come_when_they_are_due() -> None:
    options = CodeOptions(restart_every=2, restart_until=4)
    codes = trainer([[50.0, 50.0]] * 3, options)
    due = []
    codes.restart = lambda z, step: due.append(step) or 0  # pyright: ignore[reportAttributeAccessIssue]
    for step in range(8):
        codes.quantize(torch.tensor(Z), step)
    assert due == [0, 2, 4]


def test_at_first_all_codes_are_taken_from_the_pictures() -> None:
    codes = trainer([[50.0, 50.0]] * 4, CodeOptions(restart_every=25))
    found = codes.quantize(torch.tensor(Z), 0)
    vectors = [pytest.approx(vector) for vector in Z]
    assert all(code in vectors for code in found.codes.tolist())


def test_restarts_draw_by_the_step_alone() -> None:
    z = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    one, two, other = (trainer([[0.0, 0.0]] * 8) for _ in range(3))
    one.restart(z, 3)
    torch.rand(7)
    two.restart(z, 3)
    other.restart(z, 4)
    assert torch.equal(one.codes, two.codes)
    assert not torch.equal(one.codes, other.codes)


def test_before_the_start_nothing_is_quantised() -> None:
    codes = trainer([[50.0, 50.0]] * 4, CodeOptions(restart_every=0, start=2))
    z = torch.tensor(Z, requires_grad=True)
    found = codes.quantize(z, 1)
    assert found.codes is z
    assert float(found.loss) == 0
    assert not codes.counts.any()
    assert (codes.codes == 50).all()
    begun = codes.quantize(z, 2)
    vectors = [pytest.approx(vector) for vector in Z]
    assert all(code in vectors for code in begun.codes.tolist()), "all begin as vectors of that batch"
