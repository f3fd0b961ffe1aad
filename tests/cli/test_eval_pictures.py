"""`fastclipgen eval pictures` and `eval generators`: end to end, under the built-in CLIP."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastclipgen.cli import main
from fastclipgen.data.shapes import ShapesDataset
from fastclipgen.evaluation import extractors
from fastclipgen.outputs.images import save_image

TINY = ["width=32", "height=32", "views=1", "starts=1", "tracks=1", "clip=builtin", "device=cpu", "compile=off"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten scenes of the shapes world, of which the first two store a prompt, and one picture of noise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = tmp_path / "pictures"
    batch = ShapesDataset(5, 64).batch(np.arange(10))
    for number, (picture, [caption]) in enumerate(zip(batch.images, batch.captions, strict=True)):
        stored = {"settings": {"prompts": [caption]}, "clip": ["shapes-clip (64 px)"]} if number < 2 else None
        save_image((picture * 255).astype(np.uint8), made / f"{number}.png", stored)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(made / "noise.png")
    return made


def evaluate(*arguments: object) -> int:
    return main(["eval", *map(str, arguments), "--clip", "builtin"])


def test_pictures_are_measured_and_files_are_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.png").write_bytes(b"nothing")
    out = [
        f"--{kind}={tmp_path}/out.{suffix}" for kind, suffix in (("json", "json"), ("csv", "csv"), ("markdown", "md"))
    ]
    assert evaluate("pictures", folder, "--reference", "shapes:40", *out) == 0
    printed = capsys.readouterr()
    assert "skipping" in printed.err
    assert "broken.png" in printed.err
    assert printed.out == (tmp_path / "out.md").read_text()
    assert "shapes-clip (*) | 2 |" in printed.out
    assert "40 pictures of the shapes world, 64 px" in printed.out
    [found] = json.loads((tmp_path / "out.json").read_text())["sets"]
    assert found["alarms"] == 1
    assert [Path(row["file"]).name for row in found["pictures"] if row["alarm"]] == ["noise.png"]
    [clip] = found["clips"]
    assert (clip["scored"], clip["texts"], clip["guide"], clip["narrow"]) == (2, 2, True, True)
    assert clip["cmmd"] < 2
    assert clip["frechet"] > 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert len(rows) == 11
    assert float(rows[0]["score shapes-clip"]) == pytest.approx(found["pictures"][0]["scores"]["shapes-clip"], abs=1e-4)


def test_a_list_of_prompts_is_used_and_the_cache_saves_the_work(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text("file,prompt\n0.png,a red circle\n1.png,a blue square\n2.png,a red circle\n")
    assert evaluate("pictures", folder, "--prompts", tmp_path / "list.csv", "-c") == 0
    cold = capsys.readouterr().out
    assert "shapes-clip (*) | 3 |" in cold
    monkeypatch.setattr(extractors.ClipFeatures, "embed", lambda *_: pytest.fail("a picture was seen again"))
    monkeypatch.setattr(extractors, "ring_power", lambda *_: pytest.fail("a picture was opened again"))
    assert evaluate("pictures", folder, "--prompts", tmp_path / "list.csv", "-c") == 0
    assert capsys.readouterr().out == cold


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("{folder}", "--fid"), "--fid is a distance from a reference"),
        (("{folder}", "--inception", "x.pth"), "--inception is for FID"),
        (("{folder}", "--json", "x.txt"), r"must end in one of \.json"),
        (("{folder}", "--reference", "shapes:none"), "takes a number of 2 or more"),
        (("{folder}/gone.png",), "none of the 1 pictures of .* can be read: .*does not exist"),
        (("{folder}", "--reference", "{folder}/gone"), "none of the 1 pictures of .*gone"),
        (("{folder}", "--prompts", "{folder}/gone.csv"), "gone.csv' cannot be read"),
    ],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str) -> None:
    assert evaluate("pictures", *(option.format(folder=folder) for option in options)) == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said


def test_generators_are_drawn_once_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = [f"--set={setting}" for setting in TINY]
    (tmp_path / "prompts.txt").write_text("a red circle\na blue square\n")
    asked = ["generators", "pixels", "stack", "--out", tmp_path / "sets", "--prompts", tmp_path / "prompts.txt", *tiny]
    assert evaluate(*asked, "--steps", "0", "--json", tmp_path / "a.json") == 0
    drawn = {path: path.read_bytes() for path in (tmp_path / "sets").rglob("*.png")}
    assert len(drawn) == 4
    assert evaluate(*asked, "--steps", "0", "--json", tmp_path / "b.json") == 0
    assert {path: path.read_bytes() for path in (tmp_path / "sets").rglob("*.png")} == drawn
    first, second = (json.loads((tmp_path / name).read_text())["sets"] for name in ("a.json", "b.json"))
    assert first == second
    assert [(one["name"], one["clips"][0]["scored"]) for one in first] == [("pixels", 2), ("stack", 2)]
    capsys.readouterr()
    assert evaluate(*asked, "--steps", "1") == 2
    assert "drawn with another settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("pixels", "pixels"), "every generator is drawn once"),
        (("pixels", "--prompts", "{tmp}/gone.txt"), "gone.txt' cannot be read"),
        (("pixels", "--steps", "1", "--set", "steps=2"), "'steps' is given by --steps and by --set"),
        (("pixels", "--set", "seed=2"), "has its own 'seed'"),
    ],
)
def test_mistakes_of_generators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    assert evaluate("generators", *(o.format(tmp=tmp_path) for o in options), "--out", tmp_path / "sets") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "sets").exists()
