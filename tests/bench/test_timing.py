from __future__ import annotations

import time

import pytest
import torch

from bench.timing import ratio, spread, time_blocks

CPU = torch.device("cpu")


class Sleeper:
    """Takes a fixed time per step and notes when it is called."""

    def __init__(self, name: str, seconds: float, batch: int, log: list[tuple[str, int]]) -> None:
        self.name, self.seconds, self.batch, self.log = name, seconds, batch, log

    def advance(self, steps: int) -> None:
        self.log.append((self.name, steps))
        time.sleep(self.seconds * steps)


def test_blocks_take_turns_and_count_pictures() -> None:
    log: list[tuple[str, int]] = []
    runs = {"slow": Sleeper("slow", 0.02, 1, log), "wide": Sleeper("wide", 0.02, 4, log)}
    times = time_blocks(runs, CPU, repeats=3, block_seconds=0.05, warm_up=2)
    assert log[:4] == [("slow", 2), ("slow", 1), ("wide", 2), ("wide", 1)]
    assert [name for name, _ in log[4:]] == ["slow", "wide", "wide", "slow", "slow", "wide"]
    assert 2 <= log[4][1] <= 3
    assert [len(values) for values in times.values()] == [3, 3]
    assert ratio(times["slow"], times["wide"]).median == pytest.approx(4, rel=0.5)


def test_spread_holds_median_and_percentiles() -> None:
    found = spread([float(v) for v in range(101)])
    assert (found.p5, found.median, found.p95, found.repeats) == (5.0, 50.0, 95.0, 101)


def test_ratio_compares_repeat_by_repeat() -> None:
    """The machine was four times slower in the second half; the ratio does not see it."""
    found = ratio([2.0, 2.0, 8.0, 8.0], [1.0, 1.0, 4.0, 4.0])
    assert (found.p5, found.median, found.p95) == (2.0, 2.0, 2.0)
