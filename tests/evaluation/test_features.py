"""Features of many pictures: order, batches, broken files, the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from fastclipgen.errors import UserError
from fastclipgen.evaluation.feature_cache import FeatureCache
from fastclipgen.evaluation.features import extract
from fastclipgen.evaluation.pictures import items_of, shapes_items

from .made import Mean, colours

REDS = [(51 * k, 0, 255) for k in range(5)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return colours(tmp_path / "pictures", REDS)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache" / "features.sqlite3")


def test_features_come_in_the_order_of_the_pictures_whatever_the_batch(files: list[Path]) -> None:
    expected = torch.tensor([[k / 5, 0, 1, 1 - k / 5, 1, 0] for k in range(5)])
    for batch in (1, 2, 32):
        maker, done = Mean(), []
        found = extract(items_of(files), [maker], batch=batch, tick=done.append)
        assert found.names == [str(file) for file in files]
        torch.testing.assert_close(found.rows[0], expected)
        assert max(maker.batches) == min(batch, 5)
        assert done[-1] == 5
        assert len(done) == len(maker.batches)


def test_what_cannot_be_read_is_named_and_left_out(files: list[Path], tmp_path: Path) -> None:
    files[1].write_bytes(b"no picture")
    colours(tmp_path / "small", [(9, 9, 9)], size=3)
    found = extract(items_of([*files, tmp_path / "small" / "00.png", tmp_path / "gone.png"]), [Mean()], batch=2)
    assert found.index.tolist() == [0, 2, 3, 4]
    assert found.rows[0][:, 0].tolist() == pytest.approx([0, 0.4, 0.6, 0.8])
    reasons = list(found.broken.values())
    assert list(found.broken) == [str(files[1]), str(tmp_path / "small" / "00.png"), str(tmp_path / "gone.png")]
    assert "not an image" in reasons[0]
    assert "too small" in reasons[1]
    assert "does not exist" in reasons[2]


def test_nothing_readable_gives_empty_rows(tmp_path: Path) -> None:
    found = extract(items_of([tmp_path / "gone.png"]), [Mean(), Mean("other")])
    assert (found.names, [len(rows) for rows in found.rows], found.computed) == ([], [0, 0], 0)


def test_the_cache_knows_contents_and_not_names(files: list[Path], cache: FeatureCache, tmp_path: Path) -> None:
    first, again = Mean(), Mean()
    cold = extract(items_of(files), [first], cache=cache)
    shutil.copy(files[3], tmp_path / "copy.png")
    warm = extract(items_of([*files, tmp_path / "copy.png"]), [again], cache=cache)
    assert (first.seen, cold.computed, again.seen, warm.computed) == (5, 5, 0, 0)
    torch.testing.assert_close(warm.rows[0], torch.cat([cold.rows[0], cold.rows[0][3:4]]), rtol=0, atol=0)
    colours(files[0].parent, [(7, 7, 7)])  # the same name, another picture
    changed = extract(items_of(files), [again], cache=cache)
    assert (again.seen, changed.computed) == (1, 1)
    assert changed.rows[0][0, 0].item() == pytest.approx(7 / 255)


def test_each_extractor_has_features_of_its_own(files: list[Path], cache: FeatureCache) -> None:
    extract(items_of(files[:2]), [Mean("a")], cache=cache)
    a, b = Mean("a"), Mean("b")
    found = extract(items_of(files), [a, b], cache=cache)
    assert (a.seen, b.seen, found.computed) == (3, 5, 5)
    assert torch.equal(found.rows[0], found.rows[1])


def test_two_caches_on_one_file_see_each_other(files: list[Path], cache: FeatureCache) -> None:
    other, maker = FeatureCache(cache.file), Mean()
    extract(items_of(files), [Mean()], cache=other)
    assert extract(items_of(files), [maker], cache=cache).computed == 0


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(UserError, match=r"x\.sqlite3' cannot be used.*leave --cache out"):
        FeatureCache(tmp_path / "x.sqlite3")


def test_shapes_are_pictures_with_digests_of_their_own() -> None:
    opened = [item.open() for item in shapes_items(3, size=32)]
    assert len({one.digest for one in opened}) == 3
    assert opened[0].load().shape == (3, 32, 32)
    assert shapes_items(3, size=48)[0].open().digest != opened[0].digest
    assert torch.equal(shapes_items(1, size=32)[0].open().load(), opened[0].load())
