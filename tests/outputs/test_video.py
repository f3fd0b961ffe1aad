from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastclipgen.errors import UserError
from fastclipgen.outputs import atomic
from fastclipgen.outputs.encoders import MAX_FRAMES
from fastclipgen.outputs.naming import NameFields
from fastclipgen.outputs.video import VideoWriter, sample_steps, steps_before_each

FORMATS = [
    pytest.param("mp4", marks=pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="needs PyAV")),
    "gif",
    "webp",
]


def frame(level: int, height: int = 33, width: int = 47) -> np.ndarray:
    return np.full((height, width, 3), (level, 60, 200 - level), np.uint8)


def decode(path: Path) -> list[tuple[float, np.ndarray]]:
    """Seconds shown and pixels of every frame."""
    if path.suffix == ".mp4":
        import av

        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.average_rate is not None
            seconds = 1 / float(stream.average_rate)
            return [(seconds, picture.to_ndarray(format="rgb24")) for picture in container.decode(stream)]
    found = []
    with Image.open(path) as image:
        for n in range(getattr(image, "n_frames", 1)):
            image.seek(n)
            pixels = np.array(image.convert("RGB"))
            found.append((image.info["duration"] / 1000, pixels))
    return found


@pytest.mark.parametrize("suffix", FORMATS)
def test_frames_come_back_in_order_and_the_last_is_held(tmp_path: Path, suffix: str):
    levels = range(0, 200, 20)
    with VideoWriter(tmp_path / f"{{slug}}.{suffix}", NameFields("a cat"), fps=15, tag="-run") as video:
        for level in levels:
            video.add(frame(level))
        path = video.close()
    assert path is not None
    assert path == tmp_path / f"a-cat-run.{suffix}"
    assert os.listdir(tmp_path) == [path.name]
    found = decode(path)
    assert found[0][1].shape == ((34, 48, 3) if suffix == "mp4" else (33, 47, 3))
    middle = [pixels[20, 20].astype(int) for _, pixels in found]
    for n, level in enumerate(levels):
        assert np.abs(middle[n] - frame(level)[0, 0]).max() <= 8
    assert sum(seconds for seconds, _ in found[: len(levels) - 1]) == pytest.approx(9 / 15, abs=0.011)
    assert sum(seconds for seconds, _ in found[len(levels) - 1 :]) == pytest.approx(1)
    assert np.abs(middle[-1] - frame(180)[0, 0]).max() <= 8


@pytest.mark.parametrize("suffix", FORMATS)
def test_never_over_an_existing_file(tmp_path: Path, suffix: str):
    (tmp_path / f"a.{suffix}").write_bytes(b"precious")
    with VideoWriter(tmp_path / f"a.{suffix}") as video:
        video.add(frame(1))
        assert video.close() == tmp_path / f"a-1.{suffix}"
    assert (tmp_path / f"a.{suffix}").read_bytes() == b"precious"


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_error_leaves_nothing(tmp_path: Path, suffix: str):
    def fail() -> None:
        with VideoWriter(tmp_path / f"a.{suffix}") as video:
            video.add(frame(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.listdir(tmp_path) == []
    with VideoWriter(tmp_path / f"a.{suffix}") as video:
        assert video.close() is None
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("frames", [2, 60])  # an MP4 meets the full disk at the end and on the way
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, frames: int):
    video = VideoWriter(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(atomic, "_create", lambda _: os.open("/dev/full", os.O_RDWR))
    noise = np.random.default_rng(0)

    def write() -> None:
        with video:
            for _ in range(frames):
                video.add(noise.integers(0, 256, (64, 64, 3), np.uint8))
            video.close()

    with pytest.raises(UserError, match="the disk is full"):
        write()
    assert os.listdir(tmp_path) == []


def test_long_animations_are_thinned_evenly(tmp_path: Path):
    with VideoWriter(tmp_path / "a.gif") as video:
        for n in range(1003):
            video.add(np.full((2, 2, 3), (*divmod(n, 256), 0), np.uint8))
        path = video.close()
    assert path is not None
    found = decode(path)
    assert MAX_FRAMES // 2 <= len(found) <= MAX_FRAMES
    numbers = [256 * int(pixels[0, 0, 0]) + int(pixels[0, 0, 1]) for _, pixels in found]
    assert numbers == [*range(0, 1003, 8), 1002]


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
def test_pure_colours_stay_pure_in_an_mp4(tmp_path: Path, colour: tuple[int, int, int]):
    pytest.importorskip("av")
    with VideoWriter(tmp_path / "a.mp4") as video:
        video.add(np.full((32, 32, 3), colour, np.uint8))
        path = video.close()
    assert path is not None
    assert np.abs(decode(path)[0][1][9, 9].astype(int) - colour).max() <= 4


def test_odd_sizes_keep_every_pixel(tmp_path: Path):
    pytest.importorskip("av")
    picture = frame(0, 5, 7)
    picture[-1], picture[:, -1] = 255, 255
    with VideoWriter(tmp_path / "a.mp4") as video:
        video.add(picture)
        path = video.close()
    assert path is not None
    pixels = decode(path)[0][1]
    assert pixels.shape == (6, 8, 3)
    assert pixels[-1].min() > 230
    assert pixels[:, -1].min() > 230


def test_a_writer_without_pyav_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'fastclipgen\[video\]'"):
        VideoWriter(tmp_path / "a.mp4")
    VideoWriter(tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("name", "fps", "words"),
    [
        ("a.avi", 15, "must end in"),
        ("a.gif", 60, "1..50"),
        ("a.webp", 0, "frame rate"),
        ("a.webp", float("nan"), "frame rate"),
        ("file/a.gif", 15, "a file is where"),
    ],
)
def test_mistakes_show_at_once(tmp_path: Path, name: str, fps: float, words: str):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=words):
        VideoWriter(tmp_path / name, fps=fps)


def test_frames_of_another_size_or_beyond_the_format(tmp_path: Path):
    with VideoWriter(tmp_path / "a.gif") as video:
        video.add(frame(1))
        with pytest.raises(ValueError, match="one size"):
            video.add(frame(1, 10, 10))
    with VideoWriter(tmp_path / "a.webp") as video, pytest.raises(UserError, match="at most 16383"):
        video.add(frame(1, 1, 16384))


def test_what_the_encoder_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("av")
    monkeypatch.setattr("fastclipgen.outputs.video.MAX_SIDE", 1 << 20)
    with VideoWriter(tmp_path / "a.mp4") as video, pytest.raises(UserError, match="does not take 20000 x 2 pixels"):
        video.add(frame(1, 1, 20000))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("total", "frames", "steps"),
    [
        (10, 3, {0, 5, 10}),
        (10, 4, {0, 3, 7, 10}),
        (3, 200, {0, 1, 2, 3}),
        (500, 1, {500}),
        (0, 5, {0}),
        (1, 2, {0, 1}),
    ],
)
def test_sample_steps(total: int, frames: int, steps: set[int]):
    assert sample_steps(total, frames) == steps


@pytest.mark.parametrize(
    ("total", "every", "steps"),
    [(10, 3, {2, 5, 8, 10}), (9, 3, {2, 5, 9}), (4, 1, {0, 1, 2, 4}), (3, 5, {3})],
)
def test_steps_before_each(total: int, every: int, steps: set[int]):
    assert steps_before_each(total, every) == steps


def test_sample_steps_are_even():
    steps = sorted(sample_steps(997, 200))
    assert len(steps) == 200
    assert (steps[0], steps[-1]) == (0, 997)
    assert set(np.diff(steps).tolist()) == {5, 6} or np.ptp(np.diff(steps)) <= 1
    with pytest.raises(UserError):
        sample_steps(10, 0)
