"""Folders of pictures and captions: what is found in them, and what each way of bridging the gap makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fastclipgen.clip_gen import gallery
from fastclipgen.data.shapes import ShapesDataset
from fastclipgen.errors import UserError
from fastclipgen.guidance import modality_gap
from fastclipgen.guidance.targets import encode_views
from fastclipgen.outputs.load import load_image
from fastclipgen.perceptors import as_perceptor

from .tiny import Eye

COLOURS = {"red": (230, 20, 30), "green": (20, 200, 40), "blue": (30, 40, 220), "grey": (110, 120, 130)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    for number, (name, colour) in enumerate(COLOURS.items()):
        image = Image.new("RGB", (24, 24), colour)
        image.paste((255 - colour[0], colour[1], 90), (0, 0, 6 + 5 * number, 12))
        image.save(tmp_path / ("more" if name == "grey" else "") / f"{name}.png")
    (tmp_path / "red.txt").write_text("a red thing\n\n something red \n")
    (tmp_path / "blue.txt").write_text("a blue thing")
    (tmp_path / "notes.txt").write_text("of no picture")
    return tmp_path


def learn(kind: str, folder: Path, notes: list[str] | None = None) -> gallery.Bridge:
    notes = [] if notes is None else notes
    eye = as_perceptor(Eye())
    return gallery.learn(kind, gallery.of_folder(str(folder), eye, torch.device("cpu"), notes.append), eye)


def embedded(folder: Path, *names: str) -> torch.Tensor:
    """Pictures of the folder, one by one."""
    [*files] = [next(folder.rglob(f"{name}.png")) for name in names]
    images = [F.interpolate(load_image(file)[None], (16, 16), mode="bicubic", antialias=True) for file in files]
    return encode_views(as_perceptor(Eye()), torch.cat(images).clamp(0, 1))


def texts(*captions: str) -> torch.Tensor:
    return F.normalize(Eye().encode_text(list(captions)), dim=-1)


def test_captions_lie_beside_the_picture(folder: Path) -> None:
    assert gallery.captions_of(folder / "red.png") == ["a red thing", "something red"]
    assert gallery.captions_of(folder / "green.png") == []


def test_bridges_are_those_of_the_embeddings(folder: Path) -> None:
    asked = texts("anything", "a red thing")
    everything = embedded(folder, "blue", "green", "grey", "red")
    captions = texts("a blue thing", "a red thing", "something red")
    expected = {
        "knn": modality_gap.nearest(asked, everything, 4),
        "shift": modality_gap.shift(captions, everything)(asked),
        "procrustes": modality_gap.procrustes(captions, embedded(folder, "blue", "red", "red"))(asked),
    }
    for kind, wanted in expected.items():
        torch.testing.assert_close(learn(kind, folder)(asked), wanted, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(wanted, asked, atol=0.05)


def test_pictures_that_cannot_be_read_are_named(folder: Path) -> None:
    for number in range(5):
        (folder / f"broken{number}.jpg").write_text("no picture")
    notes: list[str] = []
    with_broken = learn("knn", folder, notes)(texts("x"))
    assert notes == ["5 of 9 pictures cannot be read: broken0.jpg, broken1.jpg, broken2.jpg and 2 more"]
    for file in folder.glob("broken*"):
        file.unlink()
    assert torch.equal(learn("knn", folder)(texts("x")), with_broken)


def test_folders_that_teach_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--gallery needs the folder '.*none', and there is none; check the path"):
        learn("knn", folder / "none")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match=r"--gallery needs pictures \(.*\), there are none below '.*empty'"):
        learn("knn", empty)
    (empty / "a.png").write_text("no picture")
    with pytest.raises(UserError, match=r"none of the 1 pictures in '.*empty' can be read"):
        learn("knn", empty)
    for kind in ("shift", "procrustes"):
        with pytest.raises(UserError, match=f"text_to_image {kind} needs captions, but no picture"):
            learn(kind, folder / "more")
    assert learn("knn", folder / "more")(texts("x")).shape == (1, 27)
    (folder / "more" / "grey.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"captions in '.*grey\.txt' cannot be read"):
        learn("shift", folder)


def test_the_shapes_world_captions_itself() -> None:
    eye = as_perceptor(Eye())
    seen = gallery.of_shapes(40, eye, torch.device("cpu"), seed=4)
    batch = ShapesDataset(4, 16).batch(range(40))
    assert seen.captions == batch.captions
    expected = encode_views(eye, torch.from_numpy(batch.images).permute(0, 3, 1, 2))
    torch.testing.assert_close(seen.pictures, expected, atol=1e-6, rtol=1e-6)
    bridge = gallery.learn("procrustes", seen, eye)
    wanted = modality_gap.procrustes(texts(*(own[0] for own in batch.captions)), seen.pictures)
    torch.testing.assert_close(bridge(texts("x")), wanted(texts("x")))
