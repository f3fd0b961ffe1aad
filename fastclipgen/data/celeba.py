"""Pictures and what is known of them: CelebA as its authors, Kaggle and torchvision lay it out, any folder with a CSV.

CelebA: Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, ICCV 2015. The splits are the authors': 0 to
train on, 1 held out; 2, the test pictures, are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from fastclipgen.data.attribute_captions import CELEBA
from fastclipgen.data.attribute_tables import read_csv, read_split, read_text
from fastclipgen.data.labelled_pictures import Described, described
from fastclipgen.data.listing import divided, pictures_below
from fastclipgen.errors import UserError

# Of the authors' archives, unpacked each in its own folder or all in one.
_TABLES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_SPLITS = ("list_eval_partition.txt", "list_eval_partition.csv")
_ROOTS = ("", "Anno", "Eval", "celeba")
# Kaggle's archive has one folder in another of the same name.
_PICTURES = ("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba", "celeba/img_align_celeba")
TRAIN, HELD_OUT = 0, 1
BESIDE = "attributes.csv"  # in a folder of pictures

Notice = Callable[[str], None]


def celeba(root: Path, notice: Notice) -> tuple[Described, Described]:
    """CelebA's aligned pictures: (to train on, held out). Without the file of splits one of fifty is held out, which
    `notice` hears. Raises UserError."""
    what = f"celeba:{root}"
    table_path = _first(root / start / name for start in _ROOTS for name in _TABLES)
    folder = _first(root / name for name in _PICTURES)
    if table_path is None or folder is None:
        lacking = " or ".join(_TABLES) if table_path is None else "img_align_celeba/"
        raise UserError(f"{what} must hold {lacking}, as the archives of CelebA unpack, and does not; check the path")
    table = read_text(table_path) if table_path.suffix == ".txt" else read_csv(table_path)
    pictures = pictures_below(folder, what)
    told = described(pictures, table.columns(CELEBA, table_path), table_path, notice)
    split_path = _first(root / start / name for start in _ROOTS for name in _SPLITS)
    if split_path is None:
        notice(f"{what} has no {' or '.join(_SPLITS)}; one of fifty pictures is held out instead of the official ones")
        return _divided(told, what)
    return _split(told, pictures.names, split_path)


def folder(root: Path, table: Path | None, notice: Notice) -> tuple[Described, Described]:
    """The pictures below `root` with a CSV of their attributes (None: attributes.csv in `root`): (to train on, held
    out), one of fifty held out. Raises UserError."""
    what, path = f"folder:{root}", table or root / BESIDE
    pictures = pictures_below(root, what)
    if table is None and not path.is_file():
        raise UserError(f"{what} needs a CSV of its pictures' attributes; give --attributes FILE.csv or write '{path}'")
    return _divided(described(pictures, read_csv(path), path, notice), what)


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.exists()), None)


def _divided(told: Described, what: str) -> tuple[Described, Described]:
    train, held_out = divided(told.listing, what)
    return told.take(train.indices), told.take(held_out.indices)


def _split(told: Described, names: list[str], path: Path) -> tuple[Described, Described]:
    part_of = read_split(path)
    without = [name for name in names if name not in part_of]
    if without:
        raise UserError(
            f"'{path}' must say to which part each picture belongs, but does not of {len(without)}, '{without[0]}' "
            "among them; take the file that came with the pictures"
        )
    found = [told.take([i for i, name in enumerate(names) if part_of[name] == part]) for part in (TRAIN, HELD_OUT)]
    for one, part, use in zip(found, (TRAIN, HELD_OUT), ("to train on", "to hold out"), strict=True):
        if not len(one.listing):
            raise UserError(f"'{path}' must leave pictures {use} (part {part}), but none of those that are there is")
    return found[0], found[1]
