"""Which files are trained on and which are held out, in the layouts that data sets come in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastclipgen.data import folders
from fastclipgen.data.listing import Listing
from fastclipgen.errors import UserError

from ..material import MATERIAL
from . import photos

COCO = MATERIAL / "coco"


def names(root: Path, listing: Listing) -> list[str]:
    return [str(Path(listing.name(i)).relative_to(root)) for i in range(len(listing))]


def test_a_folder_holds_one_of_its_own_out(tmp_path: Path) -> None:
    train, held_out = folders.folder(photos.folder(tmp_path, 4))
    assert (names(tmp_path, train), names(tmp_path, held_out)) == (["000.png", "001.png", "003.png"], ["002.png"])


@pytest.mark.parametrize("layout", ["{}2017", "{}2014", "images/{}2017"])
def test_coco_has_its_own_split(tmp_path: Path, layout: str) -> None:
    for split in ("train", "val"):
        photos.write(tmp_path / layout.format(split) / "1.jpg", photos.png(1))
    train, held_out = folders.coco(tmp_path)
    assert names(tmp_path, train) == [layout.format("train") + "/1.jpg"]
    assert names(tmp_path, held_out) == [layout.format("val") + "/1.jpg"]


@pytest.mark.parametrize("start", ["", "ILSVRC/Data/CLS-LOC/"])
def test_imagenet_in_classes_or_not(tmp_path: Path, start: str) -> None:
    for name in ("train/n01/a.JPEG", "train/n02/b.JPEG", "val/c.JPEG"):
        photos.write(tmp_path / start / name, photos.png(1))
    train, held_out = folders.imagenet(tmp_path)
    assert names(tmp_path, train) == [f"{start}train/n01/a.JPEG", f"{start}train/n02/b.JPEG"]
    assert names(tmp_path, held_out) == [f"{start}val/c.JPEG"]


@pytest.mark.parametrize("kind", ["coco", "imagenet"])
def test_another_layout_is_told(tmp_path: Path, kind: str) -> None:
    photos.folder(tmp_path / "train", 2)
    with pytest.raises(UserError, match=f"{kind}:.* must hold .*use folder:"):
        getattr(folders, kind)(tmp_path)


@pytest.mark.skipif(not COCO.is_dir(), reason="material: photographs of COCO")
def test_real_photographs() -> None:
    train, held_out = folders.coco(COCO)
    assert len(train) > 5
    assert len(held_out) > 5
    picture = train.load(0)
    assert picture.shape[0] == 3
    assert min(picture.shape[1:]) > 100
    assert picture.std() > 0.05
