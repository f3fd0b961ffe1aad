"""Which files a film is made of, their order, and the names of what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fastclipgen.errors import UserError
from fastclipgen.film.frames import pictures_at, targets_of


def test_pictures_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("f10.png", "f9.png", "f1.JPG", ".hidden.png", "notes.txt", "b2.webp"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in pictures_at(tmp_path)] == ["b2.webp", "f1.JPG", "f9.png", "f10.png"]
    assert [path.name for path in pictures_at(f"{tmp_path}/f*.png")] == ["f9.png", "f10.png"]
    assert pictures_at(tmp_path / "f9.png") == [tmp_path / "f9.png"]


@pytest.mark.parametrize("place", ["nowhere", "empty", "*.png"])
def test_no_pictures(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"expected a folder of pictures .*{place.replace('*', '.')}' has none"):
        pictures_at(tmp_path / place)


def test_a_picture_keeps_its_name_where_its_format_can_be_written() -> None:
    sources = [Path("in/a.png"), Path("in/b.JPG"), Path("in/c.bmp"), Path("in/d.webp")]
    assert [str(path) for path in targets_of(sources, Path("out"))] == [
        "out/a.png", "out/b.JPG", "out/c.png", "out/d.webp"
    ]  # fmt: skip


def test_names_that_would_meet(paint: Callable, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'a/x.bmp' and 'b/X.png' would both become '.*X.png'; rename one"):
        targets_of([Path("a/x.bmp"), Path("b/X.png")], tmp_path)
    source = paint("frames/a.png")
    with pytest.raises(UserError, match=r"frames/a.png' would be made of itself; give an --out folder of its own"):
        targets_of([source], tmp_path / "other" / ".." / "frames")
