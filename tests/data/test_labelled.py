"""Sources with labels: a picture and what is said of it belong together, whatever is asked and whatever is skipped.

The pictures of the made-up folders carry their number in their pixels, and their attributes follow from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastclipgen.data.attribute_captions import CELEBA, caption
from fastclipgen.data.labelled import LabelledSource, Labels, open_labelled
from fastclipgen.errors import UserError

from . import faces, photos

PARTS = [0, 1, 0, 0, 2, 0, 1, 0, 0, 0, 1, 0, 2, 0]
TRAIN = [n for n, part in enumerate(PARTS, 1) if part == 0]
HELD_OUT = [n for n, part in enumerate(PARTS, 1) if part == 1]


def opened(text: str, notices: list[str] | None = None, **options: Any) -> LabelledSource:
    notice = pytest.fail if notices is None else notices.append
    return open_labelled(text, **{"size": 8, "seed": 3, "batch": 4, "notice": notice} | options)


def numbers_in(pictures: torch.Tensor) -> list[int]:
    return pictures[:, 0, 4, 4].tolist()


def belong_together(pictures: torch.Tensor, labels: Labels) -> None:
    """Every picture's number, read from its pixels, says what its labels have to be."""
    found = numbers_in(pictures)
    assert labels.attributes.dtype == torch.float32
    assert labels.attributes.tolist() == [faces.row(n).tolist() for n in found]
    assert labels.captions == [caption(faces.row(n), CELEBA) for n in found]


@pytest.mark.parametrize("kaggle", [False, True])
def test_celeba_in_both_layouts(tmp_path: Path, kaggle: bool) -> None:
    source = opened(f"celeba:{faces.celeba(tmp_path, PARTS, kaggle)}")
    assert source.attribute_names == CELEBA
    assert source.pictures == len(TRAIN)
    seen = []
    for step in range(5):
        pictures = source.batch(step, range(4))
        belong_together(pictures, source.labels(step, range(4)))
        seen += numbers_in(pictures)
    assert sorted(seen[: len(TRAIN)]) == TRAIN
    held_out = source.held_out(99)
    assert numbers_in(held_out) == HELD_OUT
    belong_together(held_out, source.held_out_labels(99))
    assert source.held_out_labels(2).captions == source.held_out_labels(99).captions[:2]


@pytest.mark.parametrize("crop", ["random", "centre", "squash"])
def test_labels_follow_pictures_that_stand_in_for_bad_ones(tmp_path: Path, crop: str) -> None:
    faces.celeba(tmp_path, PARTS)
    folder, said = tmp_path / "Img" / "img_align_celeba", []
    for bad in (TRAIN[2], TRAIN[3], TRAIN[-1], HELD_OUT[0]):
        photos.write(folder / faces.name(bad), b"nothing" if bad % 2 else photos.png(bad)[:60])
    source = opened(f"celeba:{tmp_path}", said, crop=crop)
    good = [n for n in TRAIN if n not in (TRAIN[2], TRAIN[3], TRAIN[-1])]
    for step in (4, 0, 1, 2, 7):  # labels first, pictures first, steps back and forth
        for places in (range(4), range(1, 3)):
            labels = source.labels(step, places) if step % 2 else None
            pictures = source.batch(step, places)
            belong_together(pictures, labels or source.labels(step, places))
            belong_together(pictures, source.labels(step, places))
            assert set(numbers_in(pictures)) <= set(good)
            assert source.captions(source.numbers(step, places).numpy()) == source.labels(step, places).captions
    assert numbers_in(source.held_out(3)) == HELD_OUT[1:]
    belong_together(source.held_out(3), source.held_out_labels(3))
    belong_together(source.held_out(2), opened(f"celeba:{tmp_path}", [], crop=crop).held_out_labels(2))
    assert sum("skipping" in sentence for sentence in said) == 4


def test_two_processes_see_what_one_sees(tmp_path: Path) -> None:
    faces.celeba(tmp_path, PARTS)
    whole, shares = opened(f"celeba:{tmp_path}"), [opened(f"celeba:{tmp_path}") for _ in range(2)]
    for step in range(3):
        labels = whole.labels(step, range(4))
        halves = [shares[k].labels(step, range(2 * k, 2 * k + 2)) for k in range(2)]
        assert halves[0].captions + halves[1].captions == labels.captions
        assert torch.equal(torch.cat([half.attributes for half in halves]), labels.attributes)


def test_the_first_pictures_alone(tmp_path: Path) -> None:
    source = opened(f"celeba:{faces.celeba(tmp_path, PARTS)}", pictures=3)
    assert source.pictures == 3
    assert set(numbers_in(source.batch(0, range(4)))) == set(TRAIN[:3])
    belong_together(source.batch(1, range(4)), source.labels(1, range(4)))
    assert source.captions(np.arange(3)) == [caption(faces.row(n), CELEBA) for n in TRAIN[:3]]
    with pytest.raises(UserError, match=f"--pictures must be {len(TRAIN)} or less, as many as .* has, got 50"):
        opened(f"celeba:{tmp_path}", pictures=50)


def test_without_the_official_split_a_share_is_held_out(tmp_path: Path) -> None:
    faces.celeba(tmp_path, PARTS)
    (tmp_path / "Eval" / "list_eval_partition.txt").unlink()
    said: list[str] = []
    source = opened(f"celeba:{tmp_path}", said, batch=13)
    assert len(said) == 1
    assert "one of fifty pictures is held out instead" in said[0]
    assert source.pictures == len(PARTS) - 1
    belong_together(source.held_out(9), source.held_out_labels(9))
    belong_together(source.batch(0, range(4)), source.labels(0, range(4)))
    assert not set(numbers_in(source.held_out(9))) & set(numbers_in(source.batch(0, range(13))))


def test_rows_of_pictures_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    faces.celeba(tmp_path, PARTS)
    for n in (TRAIN[0], TRAIN[4]):
        (tmp_path / "Img" / "img_align_celeba" / faces.name(n)).unlink()
    said: list[str] = []
    source = opened(f"celeba:{tmp_path}", said)
    assert len(said) == 1
    assert f"2 of {len(PARTS)} rows of" in said[0]
    assert f"'{faces.name(TRAIN[0])}' among them" in said[0]
    assert source.pictures == len(TRAIN) - 2
    for step in range(3):
        belong_together(source.batch(step, range(4)), source.labels(step, range(4)))


def test_mistakes_in_celeba(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must hold list_attr_celeba.txt or list_attr_celeba.csv, as"):
        opened(f"celeba:{tmp_path}")
    faces.text(tmp_path / "list_attr_celeba.txt", range(1, 5))
    with pytest.raises(UserError, match="must hold img_align_celeba/"):
        opened(f"celeba:{tmp_path}")
    faces.pictures(tmp_path / "img_align_celeba", range(1, 7))
    with pytest.raises(UserError, match=r"a row for each of the 6 pictures in .* but has none for 2, '000005.jpg'"):
        opened(f"celeba:{tmp_path}")
    faces.text(tmp_path / "list_attr_celeba.txt", range(1, 7))
    faces.split(tmp_path / "list_eval_partition.txt", [0, 0, 1])
    with pytest.raises(UserError, match=r"to which part each picture belongs, but does not of 3, '000004.jpg' among"):
        opened(f"celeba:{tmp_path}")
    faces.split(tmp_path / "list_eval_partition.txt", [0] * 6)
    with pytest.raises(UserError, match=r"must leave pictures to hold out \(part 1\)"):
        opened(f"celeba:{tmp_path}")
    faces.split(tmp_path / "list_eval_partition.txt", [1, 2] * 3)
    with pytest.raises(UserError, match=r"must leave pictures to train on \(part 0\)"):
        opened(f"celeba:{tmp_path}")


def birds(root: Path, captions: bool) -> Path:
    """Pictures 0..59 in two folders, and a CSV in another order than theirs."""
    lines = [f"file,odd,big{',caption' if captions else ''}"]
    for n in range(60):
        place = f"{'b' if n % 3 else 'a'}/{n:03}.png"
        photos.write(root / place, photos.png(n))
        lines.insert(1, f"{place},{n % 2},{int(n > 30)}{f',number {n}' if captions else ''}")
    photos.write(root / "attributes.csv", "\n".join(lines).encode())
    return root


@pytest.mark.parametrize("captions", [False, True])
def test_a_folder_and_its_table(tmp_path: Path, captions: bool) -> None:
    source = opened(f"folder:{birds(tmp_path, captions)}")
    assert source.attribute_names == ("odd", "big")
    assert source.pictures == 59
    pairs = [(source.batch(step, range(4)), source.labels(step, range(4))) for step in range(20)]
    for pictures, labels in [*pairs, (source.held_out(5), source.held_out_labels(5))]:
        found = numbers_in(pictures)
        assert labels.attributes.tolist() == [[n % 2, int(n > 30)] for n in found]
        if captions:
            assert labels.captions == [f"number {n}" for n in found]
        else:
            said = ["odd" * (n % 2) + ", " * (n % 2 and n > 30) + "big" * (n > 30) or "a picture" for n in found]
            assert labels.captions == said


def test_a_table_elsewhere(tmp_path: Path) -> None:
    birds(tmp_path / "p", captions=False)
    (tmp_path / "p" / "attributes.csv").rename(tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"give --attributes FILE.csv or write '.*attributes.csv'"):
        opened(f"folder:{tmp_path / 'p'}")
    assert opened(f"folder:{tmp_path / 'p'}", table=tmp_path / "t.csv").attribute_names == ("odd", "big")


def test_identity_tells_labels_apart(tmp_path: Path) -> None:
    text = f"folder:{birds(tmp_path, captions=True)}"
    first = opened(text).identity()
    assert opened(text).identity() == first
    assert opened(text, crop="squash").identity() != first
    assert opened(text, pictures=9).identity() != first
    table = (tmp_path / "attributes.csv").read_text()
    for old, new in (("number 7\n", "number 8\n"), ("a/000.png,0", "a/000.png,1"), ("odd", "even")):
        (tmp_path / "attributes.csv").write_text(table.replace(old, new))
        assert opened(text).identity() != first, new


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("celebra:x", {}, "unknown data 'celebra:x'"),
        ("celeba", {}, "--data celeba takes a place, celeba:DIR; got 'celeba'"),
        ("shapes", {"table": Path("x")}, "--attributes is for --data folder:DIR, got 'shapes'"),
        ("shapes", {"crop": "centre"}, "--crop and --short-side are for pictures in files"),
        ("folder:gone", {}, "folder:gone needs the folder 'gone', and there is none"),
    ],
)
def test_mistakes(text: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        opened(text, **options)
    assert sentence in str(error.value)


def test_crops_that_do_not_fit(tmp_path: Path) -> None:
    text = f"folder:{birds(tmp_path, captions=False)}"
    with pytest.raises(UserError, match="unknown crop 'middle'"):
        opened(text, crop="middle")
    with pytest.raises(UserError, match="squashed pictures have no short side of their own, got 9"):
        opened(text, crop="squash", short_side=9)
