"""Tables of attributes: both layouts of CelebA say the same, and what is wrong with a file is said in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastclipgen.data.attribute_captions import CELEBA
from fastclipgen.data.attribute_tables import read_csv, read_split, read_text
from fastclipgen.errors import UserError

from . import faces


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_both_layouts_of_celeba(tmp_path: Path) -> None:
    faces.text(tmp_path / "a.txt", range(1, 9))
    faces.comma(tmp_path / "a.csv", range(1, 9))
    for table in (read_text(tmp_path / "a.txt"), read_csv(tmp_path / "a.csv")):
        assert table.files == [faces.name(n) for n in range(1, 9)]
        assert table.names == CELEBA
        assert table.values.dtype == np.uint8
        assert table.values.tolist() == [faces.row(n).tolist() for n in range(1, 9)]
        assert table.captions is None


def test_columns_go_by_their_names(tmp_path: Path) -> None:
    faces.comma(tmp_path / "a.csv", range(1, 4), CELEBA[::-1])
    table = read_csv(tmp_path / "a.csv")
    assert table.names == CELEBA[::-1]
    ordered = table.columns(CELEBA, tmp_path / "a.csv")
    assert ordered.names == CELEBA
    assert ordered.values.tolist() == [faces.row(n).tolist() for n in range(1, 4)]


def test_a_csv_of_ones_own(tmp_path: Path) -> None:
    text = '\ufefffile, red ,Caption,big\n"a,1.png",1,"a red, small one",0\n\nb.png, 0.0,  nothing,1.0\n'
    table = read_csv(written(tmp_path / "x.csv", text))
    assert table.files == ["a,1.png", "b.png"]
    assert table.names == ("red", "big")
    assert table.values.tolist() == [[1, 0], [0, 1]]
    assert table.captions == ["a red, small one", "nothing"]


def test_splits(tmp_path: Path) -> None:
    for name in ("s.txt", "s.csv"):
        faces.split(tmp_path / name, [0, 2, 1])
        assert read_split(tmp_path / name) == {faces.name(1): 0, faces.name(2): 2, faces.name(3): 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "must name a column of file names and one for each attribute, got []"),
        ("file\na.png\n", "must name a column of file names and one for each attribute, got []"),
        ("file,,b\n", "must name a column of file names and one for each attribute, got ['', 'b']"),
        ("file,a,a\n", "must name every attribute once, but has 'a' more than once"),
        ("file,a,caption,captions\n", "has 2 columns of captions; leave one"),
        ("file,a\n", "must have a row for each picture, and has none"),
        ("file,a,b\nx,1\n", "line 2 of 'x.csv' must have 3 columns, got 2"),
        ("file,a,b\nx,1,0\ny,2,1\n", "'a' in line 3 of 'x.csv' must be 0 or 1, or -1 or 1, got '2'"),
        ("file,a,b\nx,1,\n", "'b' in line 2 of 'x.csv' must be 0 or 1, or -1 or 1, got ''"),
        ("file,a\nx,1\ny,0\nx,1\n", "must have one row for each picture, but has 'x' more than once"),
        ("file,a\nx,-1\ny,0\n", "must write what a picture has not as 0 or as -1, but has both"),
        ('file,a\n"' + "x" * 200_000 + '",1\n', "must be a CSV file, but field larger than"),
    ],
)
def test_mistakes_in_a_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "x.csv", content)
    with pytest.raises(UserError) as error:
        read_csv(Path("x.csv"))
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a b\n", "the first line of 'x.txt' must be the number of its rows, got 'a b'"),
        ("3\na b\nx 1 1\ny -1 1\n", "must have 3 rows, as its first line says, got 2"),
        ("1\na b\nx 1\n", "line 3 of 'x.txt' must have 3 columns, got 2"),
        ("1\na b\nx 1 yes\n", "'b' in line 3 of 'x.txt' must be 0 or 1, or -1 or 1, got 'yes'"),
    ],
)
def test_mistakes_in_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "x.txt", content)
    with pytest.raises(UserError) as error:
        read_text(Path("x.txt"))
    assert sentence in str(error.value)


def test_other_columns_than_celebas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for columns, sentence in (
        (CELEBA[4:], "lacks 5_o_Clock_Shadow, Arched_Eyebrows, Attractive and 1 more"),
        (CELEBA[1:], "lacks 5_o_Clock_Shadow; check"),
    ):
        faces.comma(path, range(1, 3), columns)
        with pytest.raises(UserError, match=sentence):
            read_csv(path).columns(CELEBA, path)
    written(path, f"image_id,{','.join(CELEBA)},Tall\nx{',1' * 41}\n")
    with pytest.raises(UserError, match="has Tall besides"):
        read_csv(path).columns(CELEBA, path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="and there is no such file"):
        read_csv(tmp_path / "gone.csv")
    (tmp_path / "x.csv").write_bytes(b"file,a\n\xff\xfe,1\n")
    with pytest.raises(UserError, match="must be text in UTF-8, which it is not at byte 7"):
        read_csv(tmp_path / "x.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_csv(tmp_path)
    written(tmp_path / "s.txt", "a.jpg 0\nb.jpg 3\n")
    with pytest.raises(UserError, match=r"line 2 of '.*s.txt' must be a picture and 0, 1 or 2, got 'b.jpg 3'"):
        read_split(tmp_path / "s.txt")
