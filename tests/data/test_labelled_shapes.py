"""Attributes of the shapes world: bits that say what its facts and captions say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastclipgen.data.labelled_shapes import ATTRIBUTES, LabelledShapes, attributes
from fastclipgen.data.shapes import COLOURS, HELD_OUT_SEED, SHAPES, ShapesDataset
from fastclipgen.data.shapes_scene import PATTERNS, PLACES, SIZES
from fastclipgen.data.source import ShapesSource


def told(facts: np.ndarray) -> set[str]:
    """What the attributes of a scene have to be, written out."""
    objects, shape0, colour0, size, place, shape1, colour1, axis, pattern, ground0, ground1 = facts.tolist()
    said = {f"objects:{'one' if objects == 1 else 'two'}", f"shape:{SHAPES[shape0]}", f"colour:{COLOURS[colour0]}"}
    said |= {f"pattern:{PATTERNS[pattern]}", f"background:{COLOURS[ground0]}"}
    if objects == 1:
        said |= {f"size:{SIZES[size]}", f"place:{PLACES[place]}"}
    else:
        said |= {f"shape:{SHAPES[shape1]}", f"colour:{COLOURS[colour1]}"}
        said |= {"arranged:side by side" if axis == 0 else "arranged:one above the other"}
    return said | ({f"background:{COLOURS[ground1]}"} if ground1 >= 0 else set())


def test_every_bit_says_what_the_facts_say() -> None:
    facts = ShapesDataset(4).scenes(np.arange(500)).facts
    bits = attributes(facts)
    assert bits.shape == (500, len(ATTRIBUTES))
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES) == 55
    for row, scene in zip(bits, facts, strict=True):
        assert {name for name, bit in zip(ATTRIBUTES, row.tolist(), strict=True) if bit} == told(scene)
    assert bits.any(0).all()


@pytest.mark.parametrize("easy", [None, 0.5])
def test_without_an_end_the_pictures_are_the_worlds(easy: float | None) -> None:
    plain, source = ShapesSource(16, 5, 8, easy), LabelledShapes(16, 5, 8, easy)
    assert source.pictures is None
    assert torch.equal(source.batch(3, range(2, 6)), plain.batch(3, range(2, 6)))
    assert torch.equal(source.held_out(5), plain.held_out(5))
    data = ShapesDataset(5, 16)
    chosen = source.numbers(3, range(2, 6)).numpy()
    labels = source.labels(3, range(2, 6))
    assert torch.equal(labels.attributes, attributes(data.scenes(chosen).facts))
    assert labels.captions == source.captions(chosen)
    assert labels.captions == [texts[0] for texts in data.captions(data.scenes(chosen), chosen)[0]]
    held_out = ShapesDataset(HELD_OUT_SEED, 16)
    facts = held_out.scenes(source.held_out_indices(5)).facts
    assert torch.equal(source.held_out_labels(5).attributes, attributes(facts))


@pytest.mark.parametrize("easy", [None, 0.5])
def test_a_finite_set_comes_once_in_every_epoch(easy: float | None) -> None:
    source, data = LabelledShapes(16, 5, 4, easy, pictures=10), ShapesDataset(5, 16)
    assert source.pictures == 10
    numbers = torch.cat([source.numbers(step, range(4)) for step in range(5)])
    assert sorted(numbers[:10].tolist()) == sorted(numbers[10:].tolist()) == list(range(10))
    assert numbers[:10].tolist() != numbers[10:].tolist()
    every = source.captions(np.arange(10))
    scenes = np.arange(10) if easy is None else data.mixed(0, 256, easy)[:10]
    for step in range(5):
        here = source.numbers(step, range(1, 4))
        pictures = data.images(scenes[here.numpy()])
        found = source.batch(step, range(1, 4)).permute(0, 2, 3, 1).numpy()
        assert np.array_equal(found, np.rint(pictures * 255).astype(np.uint8))
        labels = source.labels(step, range(1, 4))
        assert labels.captions == [every[k] for k in here.tolist()]
        assert torch.equal(labels.attributes, attributes(data.scenes(scenes[here.numpy()]).facts))
    assert source.identity() != LabelledShapes(16, 5, 4, easy, pictures=11).identity()
