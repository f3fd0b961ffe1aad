"""CLIP score and R-precision of made-up embeddings."""

from __future__ import annotations

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.evaluation.clip_scores import own_scores, r_precision, ranks, similarities

# three pictures (rows), four texts: the own text is first, second and last of all
SCORES = torch.tensor([[30.0, 10.0, 20.0, 5.0], [25.0, 24.0, 3.0, 2.0], [9.0, 8.0, 7.0, 6.0]], dtype=torch.float64)
OWN = torch.tensor([0, 1, 3])


def test_similarities_are_a_hundred_times_the_cosine_whatever_the_lengths() -> None:
    images = torch.tensor([[2.0, 0.0], [3.0, 4.0]])
    texts = torch.tensor([[0.0, 0.5], [1.0, 0.0], [-7.0, 0.0]])
    expected = torch.tensor([[0.0, 100.0, -100.0], [80.0, 60.0, -60.0]], dtype=torch.float64)
    torch.testing.assert_close(similarities(images, texts), expected)


def test_embeddings_of_two_clips_are_refused() -> None:
    with pytest.raises(UserError, match=r"same CLIP.*\[2, 3\] and \[1, 4\]"):
        similarities(torch.ones(2, 3), torch.ones(1, 4))


def test_a_picture_is_scored_by_its_own_text() -> None:
    assert own_scores(SCORES, OWN).tolist() == [30.0, 24.0, 6.0]


def test_ranks_of_a_made_up_matrix() -> None:
    assert ranks(SCORES, OWN).tolist() == [1, 2, 4]


def test_a_clip_that_tells_nothing_apart_gets_nothing_right() -> None:
    assert ranks(torch.full((2, 3), 7.0), torch.tensor([0, 2])).tolist() == [3, 3]


def test_what_is_no_number_is_last() -> None:
    nan = float("nan")
    assert ranks(torch.tensor([[nan, 1.0], [2.0, nan]]), torch.tensor([0, 0])).tolist() == [2, 2]


def test_r_precision_counts_those_among_the_best() -> None:
    places = ranks(SCORES, OWN)
    assert r_precision(places, among=4) == pytest.approx(1 / 3)
    assert r_precision(places, among=4, best=2) == pytest.approx(2 / 3)


def test_r_precision_is_unknown_where_it_says_nothing() -> None:
    places = torch.tensor([1, 1])
    assert r_precision(places, among=1) is None
    assert r_precision(places, among=5, best=5) is None
    assert r_precision(places, among=6, best=5) == 1.0
    assert r_precision(places[:0], among=6) is None
