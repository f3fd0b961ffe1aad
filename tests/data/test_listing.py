"""Lists of pictures: what is found, in which order, and what is held out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastclipgen.data.listing import Files, Part, digest, divided, pictures_below
from fastclipgen.errors import UserError

from . import photos


def test_pictures_are_found_in_folders_of_folders_sorted_by_name(tmp_path: Path) -> None:
    for number, name in enumerate(["b/2.JPG", "a.png", "b/1.webp", "notes.txt", ".hidden/x.png", "b/._1.png"]):
        photos.write(tmp_path / name, photos.png(number))
    found = pictures_below(tmp_path, "folder:x")
    assert found.names == ["a.png", "b/1.webp", "b/2.JPG"]
    assert found.name(1) == str(tmp_path / "b/1.webp")
    assert (found.load(2)[0] * 255).unique().tolist() == [0.0]
    assert found.load(1).shape == (3, 16, 20)


@pytest.mark.parametrize(("name", "sentence"), [("gone", "there is none"), ("empty", "needs pictures")])
def test_a_folder_without_pictures_is_told(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=sentence):
        pictures_below(tmp_path / name, "folder:x")


@pytest.mark.parametrize(("count", "held"), [(2, 1), (149, 2), (100, 2), (1000, 7)])
def test_what_is_held_out_is_spread_and_not_trained_on(count: int, held: int) -> None:
    train, out = divided(Files(Path("x"), [f"{n:04}" for n in range(count)]), "x", most=7)
    names = [[part.name(i) for i in range(len(part))] for part in (train, out)]
    assert len(names[1]) == held
    assert sorted(names[0] + names[1]) == [f"x/{n:04}" for n in range(count)]
    numbers = [int(name[2:]) for name in names[1]]
    assert all(abs(number - (k + 0.5) * count / held) <= 1 for k, number in enumerate(numbers))


def test_one_picture_cannot_be_divided() -> None:
    with pytest.raises(UserError, match="needs 2 pictures or more, one of them to be held out, got 1"):
        divided(Files(Path("x"), ["a"]), "folder:x")


def test_identities_differ_by_names_and_by_parts() -> None:
    ab, abc = Files(Path("x"), ["a", "b"]), Files(Path("x"), ["ab", "c"])
    assert ab.identity() == Files(Path("elsewhere"), ["a", "b"]).identity()
    assert len({ab.identity(), Files(Path("x"), ["b", "a"]).identity(), abc.identity()}) == 3
    assert Part(ab, [0]).identity() != Part(ab, [1]).identity()
    assert digest(["ab", "c"]) != digest(["a", "bc"])
