"""Pictures with conditions: the embedding beside a picture is that of its own caption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastclipgen.training.conditions import Conditioned, open_conditioned

from ..data import faces, photos
from .test_caption_cache import asked, letters

PARTS = [0, 1, 0, 0, 0, 2, 1, 0, 0, 0]


def opened(text: str, folder: Path, **options: object) -> Conditioned:
    given = {"perceptor": letters(), "cache": folder, "quiet": True, "notice": lambda sentence: None} | options
    return open_conditioned(text, 8, 3, 4, **given)  # pyright: ignore[reportArgumentType]


def embeddings_are_the_captions(data: Conditioned, step: int, places: range) -> None:
    _, conditions = data.batch(step, places)
    truth = letters().encode_text(data.source.labels(step, places).captions)
    assert torch.allclose(conditions.embeddings, truth, atol=1e-3)
    assert torch.allclose(conditions.embeddings.norm(dim=-1), torch.ones(len(places)), atol=1e-6)


def test_faces_with_bad_pictures_among_them(tmp_path: Path) -> None:
    faces.celeba(tmp_path, PARTS)
    for bad in (3, 7):
        photos.write(tmp_path / "Img" / "img_align_celeba" / faces.name(bad), b"nothing")
    data = opened(f"celeba:{tmp_path}", tmp_path / "c")
    assert (data.size, data.attributes, data.width, len(data.attribute_names)) == (8, 40, 8, 40)
    for step in range(6):
        pictures, conditions = data.batch(step, range(4))
        assert pictures.dtype == torch.uint8
        numbers = pictures[:, 0, 4, 4].tolist()
        assert 3 not in numbers
        assert conditions.attributes.tolist() == [faces.row(n).tolist() for n in numbers]
        embeddings_are_the_captions(data, step, range(4))
        embeddings_are_the_captions(data, step, range(1, 3))
    pictures, conditions = data.held_out(9)
    assert pictures[:, 0, 4, 4].tolist() == [2]
    assert conditions.attributes.tolist() == [faces.row(2).tolist()]
    truth = letters().encode_text(data.source.held_out_labels(9).captions)
    assert torch.allclose(conditions.embeddings, truth, atol=1e-6)


def test_equal_captions_are_embedded_once(tmp_path: Path) -> None:
    for n in range(60):
        photos.write(tmp_path / f"{n:03}.png", photos.png(n))
    table = "\n".join(["file,odd", *(f"{n:03}.png,{n % 2}" for n in range(60))])
    photos.write(tmp_path / "attributes.csv", table.encode())
    perceptor = letters()
    data = opened(f"folder:{tmp_path}", tmp_path / "c", perceptor=perceptor)
    assert sorted(asked(perceptor)) == ["a picture", "odd"]
    for step in range(4):
        embeddings_are_the_captions(data, step, range(4))
    data.held_out(4)
    data.held_out(4)
    assert len(asked(perceptor)) == 3  # and the held-out one, once
    perceptor = letters()
    opened(f"folder:{tmp_path}", tmp_path / "c", perceptor=perceptor)
    assert asked(perceptor) == []


def test_shapes_and_how_many_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = opened("shapes", tmp_path / "c", pictures=6)
    assert data.source.pictures == 6
    for step in range(3):
        embeddings_are_the_captions(data, step, range(4))
    monkeypatch.setattr("fastclipgen.training.conditions.ENDLESS", 5)
    assert opened("shapes", tmp_path / "d").source.pictures == 5


def test_attributes_alone_need_no_clip_and_no_end(tmp_path: Path) -> None:
    data = opened("shapes", tmp_path / "c", perceptor=None, cache=None)
    assert (data.source.pictures, data.width) == (None, 0)
    pictures, conditions = data.batch(2, range(3))
    assert len(pictures) == 3
    assert conditions.embeddings.shape == (3, 0)
    assert torch.equal(conditions.attributes, data.source.labels(2, range(3)).attributes)
    assert data.held_out(3)[1].embeddings.shape == (3, 0)


def test_identity_tells_pictures_and_the_clip(tmp_path: Path) -> None:
    first = opened("shapes", tmp_path / "a", pictures=6).identity()
    assert first == opened("shapes", tmp_path / "a", pictures=6).identity()
    for options in ({"pictures": 7}, {"pictures": 6, "perceptor": letters(2.0)}, {"pictures": 6, "perceptor": None}):
        assert opened("shapes", tmp_path / f"{len(options)}{options}", **options).identity() != first
