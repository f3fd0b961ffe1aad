"""Watched work: its result, its errors, and giving up exactly when it gets no further."""

from __future__ import annotations

import time

import pytest

from fastclipgen.weights.transfer import Clock, Stalled, bar_for, watched


def test_result_and_error_come_through():
    assert watched(lambda _: 7, 1.0) == 7
    with pytest.raises(ZeroDivisionError):
        watched(lambda _: 1 // 0, 1.0)


def steps(clock: Clock, amounts: list[int]) -> str:
    for amount in amounts:
        clock.advance(amount)
        time.sleep(0.1)
    return "done"


def test_slow_progress_is_waited_for():
    assert watched(lambda clock: steps(clock, [1] * 6), 0.3) == "done"


def test_starting_over_is_no_progress():
    with pytest.raises(Stalled):
        watched(lambda clock: steps(clock, [5, -5, 3, -3, 4, -4, 5]), 0.3)


def test_progress_of_another_process_is_waited_for():
    start = time.monotonic()
    assert watched(lambda _: time.sleep(0.6) or "done", 0.3, lambda: time.monotonic() - start) == "done"


def test_abandoned_work_ends_at_its_next_step():
    clock = Clock()
    with bar_for(clock)(total=2, disable=True) as bar:
        bar.update(1)
        clock.abandoned = True
        with pytest.raises(Stalled):
            bar.update(1)
