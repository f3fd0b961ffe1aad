"""`style` and `animate` on the command line: files, events, exit codes, and going on where it was broken off."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastclipgen.outputs.metadata import read_metadata

SMALL = ("--clip", "builtin", "--generator", "pixels", "--views", "2", "--seed", "5", "--compile", "off")


@pytest.fixture
def frames(folder: Path) -> Path:
    (folder / "frames").mkdir()
    for n in (1, 2, 10):
        pixels = np.random.default_rng(n).integers(0, 255, (12, 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"frames/f{n}.png")
    return folder / "frames"


def read(path: Path | str) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_frames_of_a_video(cli: Callable, frames: Path) -> None:
    asked = ("style", "frames", *SMALL, "a red", "--steps", "2", "--out", "out", "--video", "film.gif")
    done = cli(*asked)
    assert done.code == 0, done.err
    assert done.out.splitlines() == ["out/f1.png", "out/f2.png", "out/f10.png", "film.gif"]
    assert "pixels under eye (16 px), 16x12, 3 at once" in done.err
    settings = read_metadata("out/f2.png")["settings"]
    assert (settings["prompts"], settings["init"], settings["seed"]) == (["a red"], "frames/f2.png", 5)
    (Path("out") / "f2.png").unlink()
    again = cli(*asked, "--json")
    assert [event["path"] for event in again.events if event["event"] == "picture"] == ["out/f2.png"]
    assert again.event("video")["path"] == "film-1.gif"
    assert again.event("done")["pictures"] == 1


def test_a_frame_is_made_again_by_rerun(cli: Callable, frames: Path) -> None:
    asked = ("--steps", "2", "--previous", "0.5", "--init-noise", "perlin", "--deterministic", "--quiet")
    assert cli("style", "frames", *SMALL, "a red", "--out", "out", *asked).code == 0
    assert cli("rerun", "out/f10.png").out == "out/f10-1.png\n"
    assert np.array_equal(read("out/f10.png"), read("out/f10-1.png"))
    settings = read_metadata("out/f10.png")["settings"]
    assert (settings["init_over"], settings["init_alpha"]) == ("out/f2.png:0.5", 200 / 255)


def test_a_frame_that_cannot_be_read(cli: Callable, frames: Path) -> None:
    (frames / "f2.png").write_bytes(b"no picture")
    done = cli("style", "frames", *SMALL, "a red", "--steps", "1", "--out", "out")
    assert done.code == 2
    assert done.out.splitlines() == ["out/f1.png", "out/f10.png"]
    last = done.err.splitlines()[-1]
    assert last.startswith("fastclipgen: error: 'frames/f2.png' was skipped ('frames/f2.png' is not an image that can")
    assert last.endswith("; all others are made")


def test_an_interrupted_film_has_no_unfinished_picture(
    cli: Callable, frames: Path, eye: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = eye.encode_image

    def interrupting(views: Any) -> Any:
        if views.requires_grad and not views.is_meta and eye.seen == 2:  # the first step of the second
            os.kill(os.getpid(), signal.SIGINT)
        return plain(views)

    monkeypatch.setattr(eye, "encode_image", interrupting)
    asked = ("style", "frames", *SMALL, "a red", "--steps", "2", "--out", "out", "--deterministic", "--video", "v.gif")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    try:
        assert cli(*asked).code == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert [path.name for path in Path("out").iterdir()] == ["f1.png"]
    assert not Path("v.gif").exists()
    assert cli(*asked).code == 0
    assert len(list(Path("out").iterdir())) == 3


def test_an_animation_of_a_folder(cli: Callable, frames: Path) -> None:
    done = cli("animate", "frames/*.png", "a red", *SMALL, "--steps", "0", "--rounds", "2", "--out", "out")
    assert done.code == 0, done.err
    written = [f"out/round-0{n}/f{m}.png" for n in (1, 2) for m in (1, 2, 10)]
    assert done.out.splitlines() == [*written, "out/anim.gif"]
    expected = read("frames/f2.png") + (read("frames/f1.png") - read("frames/f2.png").astype(float)) * 128 / 255
    assert np.abs(read("out/round-02/f2.png") - expected).max() <= 0.51
    with Image.open("out/anim.gif") as film:
        assert (film.n_frames, film.info["duration"]) == (3, 100)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--init", "frames/f1.png"), "every picture of the folder is a start picture, but --init was given as well"),
        (("--fps", "5"), "--fps is about a film, but none is asked for"),
        (("--previous", "2"), "expected an opacity from 0 to 1 for previous, got 2.0"),
        (("a blue",), "every picture becomes one, of one prompt, got 2 prompts and count 1"),
        (("--starts", "3"), "starts and tracks choose among random starts, but a start picture was given"),
        (("--steps", "-1"), "setting 'steps'"),
    ],
)
def test_what_cannot_be(refused: Callable, frames: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused("style", "frames", "a red", "--out", "out", "--clip", "builtin", *arguments)


def test_no_frames_and_no_folder(refused: Callable, folder: Path) -> None:
    assert "but 'nowhere' has none" in refused("style", "nowhere", "a red", "--out", "out")
    assert "the following arguments are required: --out" in refused("style", "frames", "a red")
