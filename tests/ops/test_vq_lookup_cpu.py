"""What is particular to the C++ search: every way to compute scores, threads, chunks of rows, scratch memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastclipgen.ops import library

GUARD = 64


def native():
    module = library.native()
    assert module is not None, library.native_reason()
    return module


def search(z: Tensor, codebook: Tensor, k: int, scorer: str = "auto", threads: int = 2) -> tuple[Tensor, Tensor]:
    """Squared distances and indices [N, k], both poisoned before; the scratch memory has a guard behind it."""
    (rows, depth), codes = z.shape, len(codebook)
    size = native().vq_topk_scratch(rows, codes, depth, k, threads, scorer)
    scratch = torch.full((size + GUARD,), 0xFF, dtype=torch.uint8)
    distances, indices = torch.full((rows, k), torch.nan), torch.full((rows, k), -77)
    problem = (z.data_ptr(), rows, *z.stride(), codebook.data_ptr(), codes, *codebook.stride(), depth, 0, k)
    native().vq_topk(*problem, distances.data_ptr(), indices.data_ptr(), scratch.data_ptr(), threads, scorer)
    assert (scratch[size:] == 0xFF).all()
    if k == 1:
        alone = torch.full_like(indices, -77)
        native().vq_topk(*problem, 0, alone.data_ptr(), scratch.data_ptr(), threads, scorer)
        assert torch.equal(alone, indices)
    return distances, indices


def truth(z: Tensor, codebook: Tensor, k: int) -> Tensor:
    return torch.cdist(z.double(), codebook.double(), compute_mode="donot_use_mm_for_euclid_dist").topk(
        k, largest=False
    )[1]


def normal(n: int, k: int, d: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + k + d)
    return torch.randn(n, d, generator=generator), torch.randn(k, d, generator=generator)


def test_scorers_end_with_the_one_for_any_processor() -> None:
    names = native().vq_scorers()
    assert names[-1] == "portable"
    assert set(names) <= {"amx", "avx512", "avx2", "portable"}
    with pytest.raises(ValueError, match="no scorer 'sse'"):
        native().vq_topk_scratch(1, 1, 1, 1, 1, "sse")


@pytest.mark.parametrize("scorer", native().vq_scorers() if library.native() is not None else [])
@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (31, 127, 5), (33, 300, 16), (64, 129, 67), (20, 900, 256)])
def test_every_scorer_finds_the_same(scorer: str, n: int, k: int, d: int) -> None:
    z, codebook = normal(n, k, d)
    for nearest in (1, min(k, 16)):
        assert torch.equal(search(z, codebook, nearest, scorer)[1], truth(z, codebook, nearest))


@pytest.mark.parametrize("scorer", native().vq_scorers() if library.native() is not None else [])
def test_every_scorer_bears_what_it_cannot_bound(scorer: str) -> None:
    """Not finite, beyond every bound, equal, and so close that scores tell nothing."""
    z, codebook = normal(40, 200, 20)
    z[3, 1], z[35, 19], codebook[4, 4] = torch.nan, -torch.inf, torch.nan
    z[7] *= 1e25
    codebook[9] *= 1e25
    codebook[100:] = codebook[50] + 1e-7 * codebook[100:]
    codebook[150:] = codebook[149].clone()
    z[10] = codebook[50]
    distances = (z.double()[:, None] - codebook.double()).square().sum(2)
    distances = torch.where(distances.isfinite(), distances, torch.inf)
    for k in (1, 16):
        got, indices = search(z, codebook, k, scorer)
        assert torch.equal(indices, distances.sort(dim=1, stable=True)[1][:, :k])
        assert torch.equal(got.isinf(), distances.sort(dim=1)[0][:, :k].float().isinf())


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("k", [1, 16])
def test_thread_count_changes_nothing(threads: int, k: int) -> None:
    """Enough codes and rows that tasks divide both."""
    z, codebook = normal(130, 2600, 24)
    distances, indices = search(z, codebook, k, threads=threads)
    alone = search(z, codebook, k, threads=1)
    assert torch.equal(indices, truth(z, codebook, k))
    assert torch.equal(distances, alone[0])


def test_rows_are_taken_in_chunks() -> None:
    z, codebook = normal(4100, 90, 3)
    assert torch.equal(search(z, codebook, 2)[1], truth(z, codebook, 2))


def test_scratch_memory_is_a_fraction_of_the_distances() -> None:
    for k, part in ((1, 0.05), (16, 0.10)):
        assert native().vq_topk_scratch(1024, 16384, 256, k, 2, "auto") < part * 1024 * 16384 * 4


def test_statistics_are_the_same_bits_with_any_number_of_threads() -> None:
    z = normal(5000, 1, 33)[0]
    indices = (torch.rand(5000, generator=torch.Generator().manual_seed(0)) ** 3 * 400).long()  # some codes are crowded
    found = []
    for threads in (1, 2, 7):
        counts, sums = torch.full((401,), -77), torch.full((401, 33), torch.nan)
        scratch = torch.empty(402 + 5000, dtype=torch.int64)
        problem = (z.data_ptr(), 5000, *z.stride(), 33, 0, indices.data_ptr(), 401)
        native().vq_statistics(*problem, counts.data_ptr(), sums.data_ptr(), scratch.data_ptr(), threads)
        assert torch.equal(counts, indices.bincount(minlength=401))
        found.append(sums)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    want = torch.zeros(401, 33, dtype=torch.float64).index_add(0, indices, z.double())
    assert torch.equal(found[0], want.float())
