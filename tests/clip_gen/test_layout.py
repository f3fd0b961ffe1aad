"""How many samples go together: within memory, in few batches of one size, in whole multiples where there is room."""

from __future__ import annotations

import pytest

from fastclipgen.clip_gen.layout import MAX_DECODED, MAX_ROWS, Layout, decoded_bytes, plan, row_bytes
from fastclipgen.config.sampling import ROWS
from fastclipgen.errors import UserError
from fastclipgen.models import transformer, vqgan


@pytest.mark.parametrize(
    ("pictures", "candidates", "budget", "expected"),
    [
        (1, 1, None, Layout(16, 16, 16)),
        (1, 64, None, Layout(64, 1, 16)),
        (1, 300, None, Layout(112, 1, 16)),  # three batches of 100, up to the next multiple
        (2, 64, None, Layout(128, 2, 16)),
        (5, 32, None, Layout(96, 3, 16)),  # 3 and 2 prompts, not 4 and 1
        (100, 1, None, Layout(112, 112, 16)),
        (1, 64, 30 + 50 * 10, Layout(32, 1, 7)),  # room for 50: two batches of one size
        (1, 64, 30 + 10 * 10, Layout(10, 1, 1)),  # and not for a whole multiple
        (3, 4, 30 + 10 * 10, Layout(8, 2, 1)),
        (1, 16, 10**6, Layout(16, 1, 16)),
    ],
)
def test_layouts(pictures: int, candidates: int, budget: int | None, expected: Layout) -> None:
    found = plan(pictures, candidates, 10, 30, budget)
    assert found == expected
    assert found.rows <= MAX_ROWS
    assert found.decoded <= MAX_DECODED
    assert budget is None or found.rows * 10 + found.decoded * 30 <= budget
    # every group is one batch, or one prompt
    assert found.group == 1 or found.group * candidates <= found.rows


def test_rows_that_are_asked_for() -> None:
    assert plan(1, 64, 10, 30, None, 7) == Layout(7, 1, 16)
    assert plan(9, 3, 10, 30, None, 7) == Layout(7, 2, 16)
    assert plan(1, 64, 10, 30, 30 + 50, 7).rows == 5
    assert plan(1, 64, 10, 30, None, ROWS).rows == ROWS
    with pytest.raises(UserError, match="a sample needs about 0 KiB, but 0 KiB can be used"):
        plan(1, 1, 10, 30, 39)


def test_batches() -> None:
    assert Layout(16, 1, 1).batches(1, 64) == 4
    assert Layout(16, 1, 1).batches(3, 20) == 6
    assert Layout(96, 3, 1).batches(5, 32) == 2
    assert Layout(112, 112, 1).batches(100, 1) == 1


def test_bytes_follow_the_sizes() -> None:
    medium = row_bytes(transformer.MEDIUM, False, 2, 256)
    cache = 2 * 24 * 256 * 1024 * 2
    assert cache < medium < 1.2 * cache
    assert row_bytes(transformer.MEDIUM, True, 2, 256) - medium == cache
    # at 256 pixels: six maps of 128 channels in float32
    assert decoded_bytes(vqgan.Geometry(), 256) == 6 * 128 * 256 * 256 * 4
