from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from fastclipgen.errors import UserError
from fastclipgen.generators.upsampling import (
    bicubic_matrix,
    check_resolutions,
    geometric_resolutions,
    resolution_pairs,
)


@pytest.mark.parametrize(("size", "pair"), [((24, 24), (5, 5)), ((13, 22), (1, 7)), ((9, 6), (9, 6))])
def test_matrices_are_torchs_bicubic(size: tuple[int, int], pair: tuple[int, int]) -> None:
    plane = torch.linspace(-1, 2, pair[0] * pair[1], dtype=torch.float64).sin().view(pair)
    wanted = F.interpolate(plane[None, None], size=size, mode="bicubic", align_corners=False)[0, 0]
    got = bicubic_matrix(size[0], pair[0]) @ plane @ bicubic_matrix(size[1], pair[1]).T
    torch.testing.assert_close(got, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("size", "pair"), [((5, 8), (24, 24)), ((30, 6), (13, 22))])
def test_antialiased_matrices_are_torchs_too(size: tuple[int, int], pair: tuple[int, int]) -> None:
    plane = torch.linspace(-1, 2, pair[0] * pair[1], dtype=torch.float64).sin().view(pair)
    wanted = F.interpolate(plane[None, None], size=size, mode="bicubic", antialias=True)[0, 0]
    got = bicubic_matrix(size[0], pair[0], antialias=True) @ plane @ bicubic_matrix(size[1], pair[1], antialias=True).T
    torch.testing.assert_close(got, wanted, atol=1e-12, rtol=0)


def test_pairs() -> None:
    assert resolution_pairs(24, 24, range(1, 25)) == [(r, r) for r in range(1, 25)]
    assert resolution_pairs(10, 20, [1, 2, 3, 20]) == [(1, 1), (1, 2), (2, 3), (10, 20)]
    assert resolution_pairs(20, 10, [3, 20]) == [(3, 2), (20, 10)]


@pytest.mark.parametrize("longest", [1, 2, 5, 96, 336])
def test_geometric(longest: int) -> None:
    sizes = geometric_resolutions(longest)
    assert sizes[0] == 1
    assert sizes[-1] == longest
    assert sizes == sorted(set(sizes))
    assert len(sizes) <= 10
    if longest == 336:
        assert len(sizes) == 10
        assert all(b / a < 2.5 for a, b in pairwise(sizes))


@pytest.mark.parametrize("wrong", [[], [0, 4], [4, 4], [4, 25]])
def test_wrong_lists_are_refused(wrong: list[int]) -> None:
    with pytest.raises(UserError, match="1 to 24"):
        check_resolutions(wrong, 24)
    assert check_resolutions([24, 1], 24) == [1, 24]
