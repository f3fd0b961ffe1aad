from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from fastclipgen.errors import UserError
from fastclipgen.outputs.images import save_image
from fastclipgen.outputs.metadata import MAX_BYTES, format_info, read_metadata, save_options, versions

PICTURE = np.full((4, 5, 3), 128, np.uint8)
SETTINGS = {
    "prompt": 'ein "rotes" Maß 赤い丸 🐱\n\\ \ud800',
    "seed": 2**63 - 1,
    "settings": {"steps": 500, "clip": ["a", "b"], "nested": {"x": None, "on": True, "lr": 0.1}},
}


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_round_trip(tmp_path: Path, name: str):
    path = save_image(PICTURE, tmp_path / name, SETTINGS)
    assert read_metadata(path) == {**SETTINGS, "versions": versions()}
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        text = image.info["Description"] if name == "a.png" else exif[0x010E].encode("latin-1").decode()
        assert text.startswith('ein "rotes" Maß 赤い丸 🐱')
        assert (image.info["Software"] if name == "a.png" else exif[0x0131]).startswith("fastclipgen")


def test_old_versions_are_replaced(tmp_path: Path):
    path = save_image(PICTURE, tmp_path / "a.png", {"versions": {"torch": "0.1"}})
    assert read_metadata(path)["versions"] == versions()


def test_versions():
    found = versions()
    assert list(found) == ["fastclipgen", "torch", "open_clip", "python"]
    assert found["torch"][0].isdigit()


def test_values_outside_json(tmp_path: Path):
    settings = {"loss": float("nan"), "np": np.float32(0.5), "path": Path("a/b"), "pair": (1, 2), "step": np.int64(3)}
    found = read_metadata(save_image(PICTURE, tmp_path / "a.png", settings))
    del found["versions"]
    assert found == {"loss": None, "np": 0.5, "path": str(Path("a/b")), "pair": [1, 2], "step": 3}


@pytest.mark.parametrize(("kind", "size"), [("PNG", MAX_BYTES), ("WEBP", MAX_BYTES), ("JPEG", 60_000)])
def test_settings_that_do_not_fit(kind: str, size: int):
    with pytest.raises(UserError, match="--no-metadata"):
        save_options({"prompt": "x" * size}, kind)


def test_the_longest_jpeg_settings(tmp_path: Path):
    settings = {"prompt": "x" * 59_000, "seed": 1}
    assert read_metadata(save_image(PICTURE, tmp_path / "a.jpg", settings))["prompt"] == settings["prompt"]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_no_settings(tmp_path: Path, name: str):
    path = save_image(PICTURE, tmp_path / name)
    with pytest.raises(UserError, match="holds no fastclipgen settings"):
        read_metadata(path)


def test_a_camera_comment_is_not_ours(tmp_path: Path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0holiday"
    Image.fromarray(PICTURE).save(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(UserError, match="holds no fastclipgen settings"):
        read_metadata(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{broken", "damaged"),
        ("[1]", "not a mapping"),
        ("[" * 200_000, "damaged"),
        ('{"a": ' + "1" * 5000 + "}", "damaged"),
        ('{"a": "' + "x" * MAX_BYTES + '"}', "more than 1048576"),
    ],
)
def test_damaged_settings(tmp_path: Path, text: str, words: str):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("fastclipgen", text)
    Image.fromarray(PICTURE).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(UserError, match=words):
        read_metadata(tmp_path / "a.png")


def test_a_compressed_bomb_is_refused(tmp_path: Path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("fastclipgen", "x" * (64 << 20), zip=True)
    Image.fromarray(PICTURE).save(tmp_path / "a.png", pnginfo=info)
    assert os.path.getsize(tmp_path / "a.png") < 1 << 17
    with pytest.raises(UserError):
        read_metadata(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_no_image(tmp_path: Path, content: bytes):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError):
        read_metadata(tmp_path / "a.png")


def test_format_info():
    settings: dict[str, Any] = {
        "prompt": "a\x1b[31m cat\nb\u2028",
        "seed": 3,
        "settings": {"clip": ["x", "y"], "lr": 0.5, "none": None, "scores": [{"a": 1}, {"a": 2}]},
    }
    assert format_info(settings).splitlines() == [
        r"prompt: a\x1b[31m cat\nb\u2028",
        "seed: 3",
        "settings:",
        "  clip: x, y",
        "  lr: 0.5",
        "  none: null",
        "  scores[0]:",
        "    a: 1",
        "  scores[1]:",
        "    a: 2",
    ]
