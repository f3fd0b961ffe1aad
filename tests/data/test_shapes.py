"""The data set: random access, reproducible, captions and labels with every picture."""

from __future__ import annotations

import numpy as np

from fastclipgen.data.shapes import FACTS, ShapesDataset
from fastclipgen.data.shapes_captions import true_of
from fastclipgen.data.shapes_render import cameras


def test_a_batch_has_pictures_captions_and_labels() -> None:
    batch = ShapesDataset(3, 32).batch(range(20), per_image=3)
    assert batch.images.shape == (20, 32, 32, 3)
    assert [len(texts) for texts in batch.captions] == [3] * 20
    assert batch.statements.shape == (20, 3, len(FACTS))
    assert len(batch.scenes) == 20
    for k in range(3):
        assert true_of(batch.statements[:, k], batch.scenes.facts).diagonal().all()


def test_picture_and_captions_are_the_same_alone_and_again() -> None:
    data = ShapesDataset(3, 24)
    whole = data.batch(np.arange(10), per_image=2)
    alone = ShapesDataset(3, 24).batch([7], per_image=2)
    assert np.array_equal(alone.images[0], whole.images[7])
    assert alone.captions[0] == whole.captions[7]
    assert np.array_equal(alone.statements[0], whole.statements[7])
    # more captions of a picture begin with the same ones
    assert data.captions(data.scenes([7]), [7], 4)[0][0][:2] == whole.captions[7]


def test_seeds_differ() -> None:
    one, two = (ShapesDataset(seed, 16).batch(np.arange(10)) for seed in (0, 1))
    assert (one.images != two.images).any(axis=(1, 2, 3)).all()
    assert one.captions != two.captions


def test_images_take_a_camera() -> None:
    data = ShapesDataset(0, 16)
    batch = data.batch([1, 2], camera=cameras(2, zoom=0.5))
    assert np.array_equal(batch.images, data.images([1, 2], cameras(2, zoom=0.5)))
    assert not np.array_equal(batch.images, data.images([1, 2]))


def test_batches_with_a_share_of_easy_scenes() -> None:
    data = ShapesDataset(3)

    def easy(indices: np.ndarray) -> np.ndarray:
        facts = data.scenes(indices).facts
        return (facts[:, 0] == 1) & (facts[:, 8] == 0) & (facts[:, 3] >= 1)

    # few batches of eight have no eight easy scenes to choose from
    shares = [[easy(data.mixed(step, 8, share)).mean() for step in range(20)] for share in (1.0, 0.5, 0.0)]
    assert np.mean(shares[0]) > 0.95
    assert 0.5 <= np.mean(shares[1]) < 0.8
    assert 0.1 < np.mean(shares[2]) < 0.4, "any scenes"
    half = data.mixed(3, 8, 0.5)
    assert len(half) == 8
    assert easy(half)[:4].all(), "the easy ones come first"
    indices = np.concatenate([data.mixed(step, 8, 0.5) for step in range(6)])
    assert len(set(indices.tolist())) == len(indices), "no picture comes twice"
