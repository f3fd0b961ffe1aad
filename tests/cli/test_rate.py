"""`fastclipgen rate`: end to end on pictures that are drawn here, under the built-in CLIP."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fastclipgen.cli import main
from fastclipgen.evaluation import extractors

RED, BLUE = "a red circle on a white background", "a blue square on a white background"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = tmp_path / "pictures"
    made.mkdir()
    for name, colour, shape in (("blue", (0, 0, 255), "rectangle"), ("red", (255, 0, 0), "ellipse")):
        picture = Image.new("RGB", (96, 64), "white")  # wider than high: the middle is seen
        getattr(ImageDraw.Draw(picture), shape)((32, 16, 64, 48), fill=colour)
        picture.save(made / f"{name}.png")
    return made


def rate(*arguments: object) -> int:
    return main(["rate", *map(str, arguments), "--clip", "builtin"])


def test_pictures_are_nearest_to_what_they_show(folder: Path, tmp_path: Path) -> None:
    assert rate(folder, "-t", RED, BLUE, "-s", "-1", "-o", tmp_path / "out.csv") == 0
    head, first, second = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert head == ["file", RED, BLUE]
    assert [Path(row[0]).name for row in (first, second)] == ["red.png", "blue.png"]
    assert float(first[1]) > float(first[2]) + 10
    assert float(second[2]) > float(second[1]) + 10


def test_files_of_texts_and_pictures_are_columns(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{RED}\n\n{BLUE}\n")
    (tmp_path / "pictures.txt").write_text(f"{folder / 'blue.png'}\n")
    options = ("-tf", tmp_path / "texts.txt", "-i", folder / "red.png", "-if", tmp_path / "pictures.txt")
    assert rate(folder / "red.png", *options, "-o", tmp_path / "out.json") == 0
    stored = json.loads((tmp_path / "out.json").read_text())
    assert stored["columns"] == [RED, BLUE, str(folder / "red.png"), str(folder / "blue.png")]
    [row] = stored["files"]
    assert row["scores"][2] == pytest.approx(100, abs=1e-3)
    assert row["scores"][3] < 90
    assert stored["summary"]["count"] == [1, 1, 1, 1]


def test_a_warm_cache_sees_no_picture_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rate(folder, "-t", RED, "-c") == 0
    cold = capsys.readouterr()
    assert "2 of 2 pictures looked at" in cold.err
    monkeypatch.setattr(extractors.ClipFeatures, "embed", lambda *_: pytest.fail("a picture was seen again"))
    assert rate(folder, "-t", RED, "-c") == 0
    warm = capsys.readouterr()
    assert "0 of 2 pictures looked at" in warm.err
    assert warm.out == cold.out


def test_unreadable_files_are_named_and_skipped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.png").write_bytes(b"nothing")
    assert rate(folder, folder / "gone.png", "-t", RED, "--quiet") == 0
    printed = capsys.readouterr()
    assert "skipping" in printed.err.splitlines()[0]
    assert "broken.png" in printed.err
    assert "gone.png" in printed.err
    assert printed.out.count(".png") == 2


def test_nothing_readable_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rate(folder / "gone.png", "-t", RED) == 2
    assert "none of the 1 pictures can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-t", RED), "rate needs pictures"),
        (("{folder}",), "add -t TEXT or -i PICTURE"),
        (("{folder}", "-t", RED, "-s", "2"), "1 to 1, or its negative for the highest first, got 2"),
        (("{folder}", "-i", "{folder}/gone.png"), "gone.png' does not exist"),
        (("{folder}", "-tf", "{folder}/gone.txt"), "--text-file '.*gone.txt' cannot be read"),
        (("{folder}", "-t", RED, "-o", "x.txt"), r"must end in one of .csv, .json"),
    ],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str) -> None:
    assert rate(*(option.format(folder=folder) for option in options)) == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said


def test_a_picture_of_many_pixels_is_seen_whole(folder: Path, tmp_path: Path) -> None:
    """The table depends on what is shown, not on the size it is shown in."""
    large = np.asarray(Image.open(folder / "red.png").resize((960, 640), Image.Resampling.LANCZOS))
    Image.fromarray(large).save(tmp_path / "large.png")
    assert rate(tmp_path / "large.png", "-i", folder / "red.png", "-o", tmp_path / "out.json") == 0
    assert json.loads((tmp_path / "out.json").read_text())["files"][0]["scores"][0] > 95
