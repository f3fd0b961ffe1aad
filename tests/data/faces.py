"""Made-up CelebA folders for tests: every picture's red channel is its number, every row follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastclipgen.data.attribute_captions import CELEBA

from . import photos


def row(number: int) -> np.ndarray:
    """The attributes of picture `number`, uint8 [40]: other ones for every number."""
    return np.random.default_rng(number).integers(0, 2, len(CELEBA)).astype(np.uint8)


def name(number: int) -> str:
    return f"{number:06}.jpg"


def pictures(folder: Path, numbers: range) -> None:
    for number in numbers:
        photos.write(folder / name(number), photos.png(number))


def text(path: Path, numbers: range, count: int | None = None) -> None:
    """The table as the authors lay it out."""
    lines = [str(len(numbers) if count is None else count), " ".join(CELEBA) + " "]
    lines += [name(n) + " " + " ".join(f"{2 * int(v) - 1:2}" for v in row(n)) for n in numbers]
    photos.write(path, ("\n".join(lines) + "\n").encode())


def comma(path: Path, numbers: range, columns: tuple[str, ...] = CELEBA) -> None:
    """The table as Kaggle lays it out."""
    lines = [",".join(("image_id", *columns))]
    for n in numbers:
        of = dict(zip(CELEBA, row(n), strict=True))
        lines.append(",".join([name(n), *(str(2 * int(of[c]) - 1) for c in columns)]))
    photos.write(path, ("\r\n".join(lines) + "\r\n").encode())


def split(path: Path, parts: list[int], start: int = 1) -> None:
    """Partition of pictures start, start + 1, ..."""
    csv = path.suffix == ".csv"
    lines = ["image_id,partition"] if csv else []
    lines += [f"{name(start + k)}{',' if csv else ' '}{part}" for k, part in enumerate(parts)]
    photos.write(path, ("\n".join(lines) + "\n").encode())


def celeba(root: Path, parts: list[int], kaggle: bool = False) -> Path:
    """A folder of pictures 1, 2, ... that belong to these parts."""
    numbers = range(1, len(parts) + 1)
    if kaggle:
        pictures(root / "img_align_celeba" / "img_align_celeba", numbers)
        comma(root / "list_attr_celeba.csv", numbers)
        split(root / "list_eval_partition.csv", parts)
    else:
        pictures(root / "Img" / "img_align_celeba", numbers)
        text(root / "Anno" / "list_attr_celeba.txt", numbers)
        split(root / "Eval" / "list_eval_partition.txt", parts)
    return root
