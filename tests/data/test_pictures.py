"""A source of pictures from lists: the same at every place whoever asks, and other pictures for bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fastclipgen.data.listing import Files, pictures_below
from fastclipgen.data.pictures import PictureSource
from fastclipgen.errors import UserError

from . import photos


def source(root: Path, notices: list[str] | None = None, **options: Any) -> PictureSource:
    notice = pytest.fail if notices is None else notices.append
    given: dict[str, Any] = {"size": 8, "short_side": 8, "seed": 1, "batch": 4} | options
    everything = pictures_below(root, "x")
    held_out = Files(root, everything.names[:3])
    return PictureSource(everything, held_out, notice=notice, **given)


def reds(pictures: torch.Tensor) -> list[int]:
    return pictures[:, 0, 0, 0].tolist()


def test_steps_go_through_all_pictures(tmp_path: Path) -> None:
    found = source(photos.folder(tmp_path, 6))
    assert found.pictures == 6
    steps = [found.batch(step, range(4)) for step in range(3)]
    assert steps[0].dtype == torch.uint8
    assert steps[0].shape == (4, 3, 8, 8)
    assert sorted(reds(torch.cat(steps))) == sorted(2 * list(range(6)))


def crops(root: Path) -> Path:
    """Pictures whose columns differ, so that a crop shows where it is from."""
    for number in range(5):
        picture = Image.linear_gradient("L").rotate(90).resize((90, 30)).convert("RGB")
        picture.putpixel((0, 0), (number, 0, 0))
        picture.save(root / f"{number}.png")
    return root


def test_a_place_has_the_same_picture_and_crop_whoever_asks(tmp_path: Path) -> None:
    crops(tmp_path)
    options: dict[str, Any] = {"size": 16, "short_side": 24}
    alone = source(tmp_path, threads=1, **options)
    steps = [alone.batch(step, range(4)) for step in range(4)]
    assert len({crop.numpy().tobytes() for crop in torch.cat(steps)}) > 10  # of 5 pictures
    shared = [source(tmp_path, threads=3, **options) for _ in range(2)]  # two processes
    for step in (2, 0, 1, 3):  # in any order
        halves = [shared[k].batch(step, range(2 * k, 2 * k + 2)) for k in range(2)]
        assert torch.equal(torch.cat(halves), steps[step])
    other = source(tmp_path, seed=2, **options)
    assert not torch.equal(other.batch(0, range(4)), steps[0])


def test_bad_pictures_give_their_place_to_others_and_are_named(tmp_path: Path) -> None:
    photos.folder(tmp_path, 6)
    whole = source(tmp_path)
    order = reds(torch.cat([whole.batch(step, range(4)) for step in range(3)]))
    photos.write(tmp_path / "002.png", b"nothing")
    photos.write(tmp_path / "004.png", photos.png(4)[:60])
    said: list[str] = []
    found = source(tmp_path, said)
    got = reds(torch.cat([found.batch(step, range(4)) for step in range(3)]))
    assert not {2, 4} & set(got)
    assert all(new == old for new, old in zip(got, order, strict=True) if old not in (2, 4))
    position = order.index(2)
    assert got[position] == next(red for red in order[position:] if red not in (2, 4))
    assert sorted(found.bad) == [str(tmp_path / "002.png"), str(tmp_path / "004.png")]
    assert sum("002.png" in sentence for sentence in said) == 1
    assert sum("bad picture 2" in sentence for sentence in said) == 1


def test_held_out_pictures_are_centre_crops(tmp_path: Path) -> None:
    crops(tmp_path)
    said: list[str] = []
    found = source(tmp_path, said, size=30, short_side=30)
    held_out = found.held_out(2)
    assert len(held_out) == 2
    assert len(found.held_out(99)) == 3
    columns = held_out[0, 0, 5].float()
    assert columns.mean() == pytest.approx(127.5, abs=4)
    photos.write(tmp_path / "1.png", b"")
    assert len(found.held_out(99)) == 2
    assert len(said) == 1


def test_when_nothing_can_be_read(tmp_path: Path) -> None:
    for number in range(3):
        photos.write(tmp_path / f"{number}.png", b"")
    found = source(tmp_path, [])
    with pytest.raises(UserError, match="3 pictures in a row cannot be read"):
        found.batch(0, range(1))
    with pytest.raises(UserError, match="none of the 3 held-out pictures"):
        found.held_out(5)


def test_a_crop_larger_than_the_short_side_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="got 7; raise --short-side"):
        source(photos.folder(tmp_path, 2), short_side=7)


def test_identity_tells_pictures_order_and_side(tmp_path: Path) -> None:
    photos.folder(tmp_path, 3)
    first = source(tmp_path).identity()
    assert source(tmp_path).identity() == first
    assert source(tmp_path, seed=2).identity() != first
    assert source(tmp_path, short_side=9).identity() != first
    photos.write(tmp_path / "new.png", photos.png(9))
    assert source(tmp_path).identity() != first
