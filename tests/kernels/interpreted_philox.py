"""Run by test_philox.py in a process of its own, because Triton reads TRITON_INTERPRET when it is imported."""

from __future__ import annotations

import itertools

import torch

from fastclipgen.kernels import philox as triton_philox  # pyright: ignore[reportMissingImports]
from fastclipgen.ops import philox

SEEDS = ([0], [5, 2**32 + 7, -1, 2**63 - 1])


def main() -> None:
    cases = 0
    for seeds, n, cutouts, step in itertools.product(SEEDS, (1, 3, 4, 1025), (1, 3), (0, 2**32 - 1)):
        key = torch.tensor(seeds)
        for stream in (philox.Stream.GEOMETRY, philox.Stream.NOISE):
            want = philox.reference_words(key, step, stream, n, cutouts)
            words = torch.full((len(seeds), cutouts, n), -1)
            triton_philox.fill(key, torch.tensor(step), int(stream), words)
            assert torch.equal(words, want), (seeds, n, cutouts, step, stream)
            uniforms = torch.full(words.shape, torch.nan)
            triton_philox.fill(key, torch.tensor(step), int(stream), uniforms)
            assert torch.equal(uniforms, philox.to_uniform(want)), (seeds, n, cutouts, step, stream)
            cases += 1
    triton_philox.fill(torch.zeros(0, dtype=torch.int64), torch.tensor(0), 0, torch.empty(0, 3, 5))
    print(f"{cases} cases equal")


if __name__ == "__main__":
    main()
