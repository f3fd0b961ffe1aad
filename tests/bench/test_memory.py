from __future__ import annotations

import torch

from bench.memory import peak_bytes

MIB = 2**20
CPU = torch.device("cpu")


def work() -> torch.Tensor:
    first = torch.zeros(2 * MIB, dtype=torch.uint8)
    second = torch.ones(3 * MIB, dtype=torch.uint8)  # 5 MiB at once
    del first
    return torch.cat([second[:MIB]])  # 4 MiB


def test_peak_is_what_lives_at_once_whatever_lived_before() -> None:
    kept = []
    for _ in range(2):
        peak = peak_bytes(lambda: kept.append(work()), CPU)
        assert 5 * MIB <= peak < 5 * MIB + 4096
