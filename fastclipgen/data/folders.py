"""Which files of a folder are pictures to learn from and which are held out: any folder, COCO, ImageNet.

Captions and labels are not read: whoever trains here learns from pictures alone.
"""

from __future__ import annotations

from pathlib import Path

from fastclipgen.data.listing import Listing, divided, pictures_below
from fastclipgen.errors import UserError

COCO_SPLITS = (("train2017", "val2017"), ("train2014", "val2014"))
COCO_ROOTS = ("", "images")  # as unpacked from COCO's archives, and as FiftyOne and others lay it out
IMAGENET_ROOTS = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")  # the classes, or what the archive of the challenge holds


def folder(root: Path) -> tuple[Listing, Listing]:
    """All pictures below `root`: (to train on, held out), one of fifty held out. Raises UserError."""
    what = f"folder:{root}"
    return divided(pictures_below(root, what), what)


def coco(root: Path) -> tuple[Listing, Listing]:
    """The pictures of COCO 2017 or 2014, train and val. Raises UserError."""
    pairs = [(root / start / train, root / start / val) for start in COCO_ROOTS for train, val in COCO_SPLITS]
    return _given(pairs, f"coco:{root}", "train2017/ and val2017/ (or those of 2014) as COCO's archives unpack")


def imagenet(root: Path) -> tuple[Listing, Listing]:
    """The pictures of ImageNet, train and val, in folders of classes or not. Raises UserError."""
    pairs = [(root / start / "train", root / start / "val") for start in IMAGENET_ROOTS]
    return _given(pairs, f"imagenet:{root}", "train/ and val/, or the folder ILSVRC/ of the challenge's archive")


def _given(pairs: list[tuple[Path, Path]], what: str, layout: str) -> tuple[Listing, Listing]:
    for train, val in pairs:
        if train.is_dir() and val.is_dir():
            return pictures_below(train, what), pictures_below(val, what)
    raise UserError(f"{what} must hold {layout}; use folder: for pictures in any other order")
