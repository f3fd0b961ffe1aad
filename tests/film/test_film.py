"""Films: every picture from its own start, in batches, broken off and gone on with, past what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclipgen import UserError, animate, generate, style
from fastclipgen.api import Job
from fastclipgen.config.run import make_config
from fastclipgen.outputs.metadata import read_metadata

from .conftest import Eye, read


def asking(settings: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return settings | changed


@pytest.fixture
def frames(paint: Callable[..., Path]) -> list[Path]:
    return [paint(f"frames/f{n}.png", n) for n in (1, 2, 10)]


def test_every_frame_becomes_a_picture_of_its_name(
    frames: list[Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    strip = style(tmp_path / "frames", "red", out=tmp_path / "out", **settings)
    assert [path.name for path in strip.pictures] == ["f1.png", "f2.png", "f10.png"]
    assert (strip.skipped, strip.video) == ({}, None)
    for frame, path in zip(frames, strip.pictures, strict=True):
        [alone] = generate("red", init=str(frame), size=16, **settings)
        assert np.array_equal(read(path), alone.pixels), "as if it had been asked for alone, with the seed of the film"
        assert read_metadata(path)["settings"] == alone.metadata["settings"] | {"init": str(frame)}
        assert 0 < np.abs(read(path) - read(frame)).mean() < 40, "its own frame, and some steps from it"


def test_frames_go_through_the_step_together(
    frames: list[Path], settings: dict[str, Any], eye: Eye, tmp_path: Path
) -> None:
    single = style(tmp_path / "frames", "red", out=tmp_path / "single", **settings)
    assert eye.seen == [2] * 3 * 2
    eye.seen.clear()
    together = style(tmp_path / "frames", "red", out=tmp_path / "together", **asking(settings, deterministic=False))
    assert eye.seen == [3 * 2] * 2
    for one, other in zip(single.pictures, together.pictures, strict=True):
        assert np.abs(read(one) - read(other)).max() <= 1


def test_a_film_that_was_broken_off_goes_on(
    frames: list[Path], settings: dict[str, Any], eye: Eye, tmp_path: Path
) -> None:
    whole = style(tmp_path / "frames", "red", out=tmp_path / "whole", **settings)

    def killed(info: Any) -> None:
        if len(eye.seen) == 3:  # in the middle of the second frame
            raise KeyboardInterrupt

    eye.seen.clear()
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        style(tmp_path / "frames", "red", out=out, callbacks=[killed], **asking(settings, seed=None))
    assert [path.name for path in out.iterdir()] == ["f1.png"]
    before, seed = (out / "f1.png").read_bytes(), read_metadata(out / "f1.png")["settings"]["seed"]
    (out / ".0123456789abcdef.tmp").write_bytes(b"what a killed process leaves")
    eye.seen.clear()
    strip = style(tmp_path / "frames", "red", out=out, **asking(settings, seed=None))
    assert len(eye.seen) == 2 * 2, "two frames were missing"
    assert (out / "f1.png").read_bytes() == before
    assert [read_metadata(path)["settings"]["seed"] for path in strip.pictures] == [seed] * 3, "drawn once"
    assert [path.name for path in strip.pictures] == [path.name for path in whole.pictures]
    with pytest.raises(UserError, match="were made with steps 2, and now it is 3; give the same options"):
        style(tmp_path / "frames", "red", out=out, **asking(settings, seed=None, steps=3))


def test_a_batch_that_is_stopped_is_dropped(frames: list[Path], settings: dict[str, Any], tmp_path: Path) -> None:
    strip = style(tmp_path / "frames", "red", out=tmp_path / "out", callbacks=[lambda info: True], **settings)
    assert strip.pictures == []


def test_a_frame_that_cannot_be_read_is_skipped_and_named(
    frames: list[Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    frames[0].write_bytes(b"no picture")
    said: list[str] = []
    asked = asking(settings, notice=said.append, deterministic=False)
    strip = style(tmp_path / "frames", "red", out=tmp_path / "out", **asked)
    assert [path.name for path in strip.pictures] == ["f2.png", "f10.png"]
    assert list(strip.skipped) == [frames[0]]
    assert len(said) == 1
    assert (
        "f1.png' is not an image that can be read" in said[0] == f"'{frames[0]}' is skipped: {strip.skipped[frames[0]]}"
    )
    for frame in frames:
        frame.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of the 3 pictures can be read"):
        style(tmp_path / "frames", "red", out=tmp_path / "none", **settings)


def test_a_frame_whose_loss_breaks_is_not_there(
    frames: list[Path], settings: dict[str, Any], eye: Eye, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = eye.encode_image
    monkeypatch.setattr(eye, "encode_image", lambda views: plain(views) * (float("nan") if len(eye.seen) == 2 else 1))
    strip = style(tmp_path / "frames", "red", out=tmp_path / "out", **settings)
    assert [path.name for path in strip.pictures] == ["f2.png", "f10.png"]
    assert "became NaN or infinite" in strip.skipped[frames[0]]


def test_the_picture_before_lies_over_each(frames: list[Path], settings: dict[str, Any], tmp_path: Path) -> None:
    still = asking(settings, steps=0)
    strip = style(tmp_path / "frames", "red", out=tmp_path / "still", previous=0.25, **still)
    before = read(frames[0])
    for frame, path in zip(frames[1:], strip.pictures[1:], strict=True):
        expected = read(frame) + (before - read(frame)) * 0.25
        assert np.abs(read(path) - expected).max() <= 0.51
        before = read(path)
    moved = style(tmp_path / "frames", "red", out=tmp_path / "moved", previous=0.25, **settings)
    stored = read_metadata(moved.pictures[2])["settings"]
    assert stored["init_over"] == f"{moved.pictures[1]}:0.25"
    [again] = next(Job(make_config(stored), perceptors=settings["perceptors"]).run())
    assert np.array_equal(again.pixels, read(moved.pictures[2])), "made again from what it stores"


def test_an_animation(frames: list[Path], settings: dict[str, Any], tmp_path: Path) -> None:
    out, still = tmp_path / "out", asking(settings, steps=0)
    strip = animate(tmp_path / "frames", "red", out=out, rounds=2, alpha=0.5, video=out / "anim.gif", **still)
    for place, path in enumerate(strip.pictures):
        assert path == out / "round-02" / frames[place].name
        expected = (read(frames[place]) + read(frames[place - 1])) / 2
        assert np.abs(read(path) - expected).max() <= 0.51
    assert strip.video == out / "anim.gif"
    moved = animate(tmp_path / "frames", "red", out=tmp_path / "moved", rounds=2, alpha=0.5, **settings)
    stored = read_metadata(moved.pictures[0])["settings"]
    first = tmp_path / "moved" / "round-01"
    assert (stored["init"], stored["init_over"]) == (str(first / "f1.png"), f"{first / 'f10.png'}:0.5")
    [again] = next(Job(make_config(stored), perceptors=settings["perceptors"]).run())
    assert np.array_equal(again.pixels, read(moved.pictures[0]))


def test_pictures_of_every_format_and_a_film_of_them(
    paint: Callable[..., Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    from PIL import Image, ImageSequence

    for n, name in enumerate(("a{0}.png", "b.jpg", "c.bmp")):
        paint(f"frames/{name}", n)
    video, asked = tmp_path / "film.gif", asking(settings, steps=1, video=tmp_path / "film.gif", fps=20)
    strip = style(tmp_path / "frames", "red", out=tmp_path / "out", **asked)
    assert [path.name for path in strip.pictures] == ["a{0}.png", "b.jpg", "c.png"]
    with Image.open(video) as film:
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(film)] == [50] * 3, "none is held"
    assert style(tmp_path / "frames", "red", out=tmp_path / "out", **asked).video == tmp_path / "film-1.gif"


def test_the_size_is_that_of_the_frames(frames: list[Path], settings: dict[str, Any], tmp_path: Path) -> None:
    strip = style(str(frames[0]), "red", out=tmp_path / "own", **settings)
    assert read(strip.pictures[0]).shape == (16, 16, 3)
    strip = style(str(frames[0]), "red", out=tmp_path / "asked", size=(20, 12), **settings)
    assert read(strip.pictures[0]).shape == (12, 20, 3)


def test_what_cannot_be(frames: list[Path], settings: dict[str, Any], paint: Callable, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"frames": tmp_path / "frames", "out": tmp_path / "out", **settings}
    for changed, sentence in {
        ("count", 2): "every picture becomes one, of one prompt, got 1 prompts and count 2",
        ("init_over", "a.png:1"): "what lies over the frames of a film is decided by the film",
        ("tracks", 2): "starts and tracks choose among random starts",
        ("fps", 0.0): "the frame rate of a .gif video must lie in",
        ("generator", "clip-gen"): "samples pictures and takes no steps from a start",
    }.items():
        with pytest.raises(UserError, match=sentence):
            style(prompt="red", **asking(asked, video=tmp_path / "x.gif", **dict([changed])))
    assert not (tmp_path / "out").exists()
    paint("out/f1.png")
    with pytest.raises(UserError, match="holds no fastclipgen settings"):
        style(prompt="red", **asked)
