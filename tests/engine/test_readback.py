"""Losses on their way to the host: never waited for, never mixed up, never too many."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.engine.readback import Readback

CPU = torch.device("cpu")


class Mark:
    """An event of a device that works only when it is told to."""

    def __init__(self) -> None:
        self.passed = False
        self.waited = False

    def query(self) -> bool:
        return self.passed

    def synchronize(self) -> None:
        self.waited = not self.passed
        self.passed = True


class Slow(Readback):
    """A readback from such a device; `slots` are all the buffers it ever made."""

    def __init__(self, depth: int) -> None:
        super().__init__(torch.device("cuda"), depth)
        self.marks: list[Mark] = []
        self.slots: list[Tensor] = []

    def _pinned(self, value: Tensor) -> Tensor:
        self.slots.append(torch.full_like(value, torch.nan))
        return self.slots[-1]

    def _mark(self) -> Mark:
        self.marks.append(Mark())
        return self.marks[-1]


def value(number: int) -> Tensor:
    return torch.tensor([float(number), -float(number)])


def test_on_a_cpu_a_value_is_there_at_once() -> None:
    losses = Readback(CPU)
    assert losses.newest() is None
    losses.push(1, value(1).requires_grad_())
    found = losses.newest()
    assert found is not None
    assert found[0] == 1
    assert not found[1].requires_grad


def test_what_has_not_arrived_is_not_waited_for() -> None:
    losses = Slow(depth=3)
    losses.push(1, value(1))
    losses.push(2, value(2))
    assert losses.newest() is None
    losses.marks[0].passed = True
    found = losses.newest()
    assert found is not None
    assert (found[0], found[1].tolist()) == (1, [1.0, -1.0])
    losses.marks[1].passed = True
    found = losses.newest()
    assert found is not None
    assert (found[0], found[1].tolist()) == (2, [2.0, -2.0])
    assert not any(mark.waited for mark in losses.marks)


def test_the_host_is_never_further_ahead_than_the_depth() -> None:
    losses = Slow(depth=3)
    for number in range(1, 11):
        losses.push(number, value(number))
    assert [mark.waited for mark in losses.marks] == [True] * 7 + [False] * 3
    found = losses.newest()
    assert found is not None
    assert (found[0], found[1].tolist()) == (7, [7.0, -7.0])
    assert len(losses.slots) == 3, "buffers are used again"


def test_a_value_that_arrived_is_not_overwritten_by_later_ones() -> None:
    losses = Slow(depth=1)
    losses.push(1, value(1))
    losses.push(2, value(2))
    first = losses.newest()
    losses.push(3, value(3))
    losses.push(4, value(4))
    assert first is not None
    assert (first[0], first[1].tolist()) == (1, [1.0, -1.0])


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    device = torch.device("cuda")
    losses = Readback(device)
    for number in range(1, 30):
        losses.push(number, value(number).to(device)[::1])
        found = losses.newest()
        assert found is None or found[1].tolist() == [float(found[0]), -float(found[0])]
        assert found is None or not found[1].is_cuda
    torch.cuda.synchronize()
    found = losses.newest()
    assert found is not None
    assert found[0] == 29
