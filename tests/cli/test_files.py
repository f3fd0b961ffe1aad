"""The files of a run: names, formats, metadata, snapshots, films, sheets, and what becomes of them on failure."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from fastclipgen.engine.memory import Plan
from fastclipgen.engine.micro_batch import Cut
from fastclipgen.outputs.metadata import read_metadata
from fastclipgen.outputs.naming import Target


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as film:
        return [np.array(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(film)]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_nothing_is_overwritten(draw: Callable, folder: Path) -> None:
    outs = [draw("--seed", seed).out for seed in (1, 2, 3)]
    assert outs == ["out.png\n", "out-1.png\n", "out-2.png\n"]
    assert len({(folder / out.strip()).read_bytes() for out in outs}) == 3


def test_templates_make_folders(draw: Callable, folder: Path) -> None:
    template = "deep/{generator}/{slug}-{seed}-{index:03}.png"
    assert draw("--output", template, "-n", 2).out.splitlines() == [
        "deep/pixels/a-red-circle-5-000.png", "deep/pixels/a-red-circle-6-001.png"
    ]  # fmt: skip
    assert draw("-o", "elsewhere/").out == "elsewhere/a-red-circle-5.png\n"


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")])
def test_formats_hold_the_settings(draw: Callable, folder: Path, suffix: str, kind: str) -> None:
    draw("-o", f"out.{suffix}")
    with Image.open(folder / f"out.{suffix}") as image:
        assert image.format == kind
    metadata = read_metadata(folder / f"out.{suffix}")
    assert metadata["settings"]["prompts"] == ["a red circle"]
    assert metadata["settings"]["seed"] == 5
    assert metadata["steps_done"] == 3
    assert set(metadata["versions"]) == {"fastclipgen", "torch", "open_clip", "python"}
    assert metadata["scores"]["similarities"]["eye"]


def test_quality(draw: Callable, folder: Path) -> None:
    sizes = []
    for quality in (5, 100):
        done = draw("-o", "{index}.jpg", "--size", "64", "--quality", quality, "--no-metadata")
        sizes.append((folder / done.out.strip()).stat().st_size)
    assert sizes[0] * 2 < sizes[1]


def test_no_metadata(draw: Callable, cli: Callable, folder: Path) -> None:
    draw("--no-metadata")
    with Image.open(folder / "out.png") as image:
        assert image.info == {}
    done = cli("info", "out.png")
    assert done.code == 2
    assert "holds no fastclipgen settings" in done.err


def test_snapshots(draw: Callable, folder: Path) -> None:
    done = draw("--save-every", 2, "--steps", 5, "-n", 2, "--json", "-o", "{seed}.png")
    found = [(event["path"], event["step"], event["index"]) for event in done.events if event["event"] == "snapshot"]
    assert found == [
        ("5-step00002.png", 2, 0), ("6-step00002.png", 2, 1), ("5-step00004.png", 4, 0), ("6-step00004.png", 4, 1)
    ]  # fmt: skip
    assert names(folder) == sorted([*(path for path, _, _ in found), "5.png", "6.png"])
    # a snapshot after 2 of 5 steps is the picture that a run of 2 steps ends with (the rate is constant)
    constant = ("--schedule", "constant")
    draw(*constant, "--save-every", 2, "--steps", 5, "-o", "long.png")
    draw(*constant, "--steps", 2, "-o", "short.png", "--no-metadata")
    with Image.open(folder / "long-step00002.png") as first, Image.open(folder / "short.png") as second:
        assert np.array_equal(np.array(first), np.array(second))


def test_snapshots_keep_the_quality(draw: Callable, folder: Path) -> None:
    for quality in (5, 100):
        draw("-o", f"{quality}.jpg", "--size", "64", "--quality", quality, "--save-every", 2, "--no-metadata")
    assert (folder / "5-step00002.jpg").stat().st_size * 2 < (folder / "100-step00002.jpg").stat().st_size


def test_a_gif_is_ordered_and_held(draw: Callable, folder: Path) -> None:
    done = draw("--video", "film.gif", "--steps", 6, "--lr", "0.3", "--fps", "10", "--json", "--size", "24")
    assert done.event("video") == {"event": "video", "path": "film.gif", "index": 0}
    film = frames(folder / "film.gif")
    assert len(film) == 7  # the start and the picture after each step
    with Image.open(folder / "out.png") as image:
        last = np.array(image).astype(int)
    distances = [np.abs(frame - last).mean() for frame in film]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 4  # a palette's rounding
    with Image.open(folder / "film.gif") as gif:
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert durations == [100] * 6 + [1000]


def test_frames_and_fps(draw: Callable, folder: Path) -> None:
    draw("--video", "film.gif", "--steps", 6, "--lr", "0.3", "--frames", 3, "--fps", 20)
    assert len(frames(folder / "film.gif")) == 3
    with Image.open(folder / "film.gif") as gif:
        assert gif.info["duration"] == 50
    draw("--video", "one.gif", "--steps", 6, "--frames", 1)
    assert len(frames(folder / "one.gif")) == 1


def test_a_film_of_no_steps(draw: Callable, folder: Path) -> None:
    draw("--video", "film.webp", "--steps", 0)
    assert len(frames(folder / "film.webp")) == 1


def test_one_mp4_for_each_picture(draw: Callable, folder: Path) -> None:
    import av

    Image.new("RGB", (32, 32), "gray").save(folder / "start.png")  # without noise: MP4 has half the colours only
    options = ("--init", "start.png", "--lr", "0.1", "--steps", 4, "--size", "32", "--cutouts", "plain")
    done = draw("--video", "{slug}-{seed}.mp4", "-n", 2, "--fps", 8, *options)
    assert done.out.splitlines() == ["out.png", "a-red-circle-5.mp4", "out-1.png", "a-red-circle-6.mp4"]
    for seed, picture in ((5, "out.png"), (6, "out-1.png")):
        with av.open(str(folder / f"a-red-circle-{seed}.mp4")) as film:
            shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]
        assert len(shown) == 4 + 8  # the last one stays for a second
        with Image.open(folder / picture) as image:
            grey = np.array(image).mean(2)
        assert np.abs(shown[-1].mean(2) - grey).mean() < 8
        assert np.abs(shown[0].mean(2) - grey).mean() > 2 * np.abs(shown[-1].mean(2) - grey).mean()


def test_grid(draw: Callable, folder: Path) -> None:
    done = draw("-n", 2, "--grid", "sheets/{index}.png", "-o", "{seed}.png", prompts=("a cat", "a dog"))
    assert done.out.splitlines() == ["5.png", "6.png", "7.png", "8.png", "sheets/0.png"]
    with Image.open(folder / "sheets/0.png") as sheet:
        assert sheet.width == 2 * 16 + 3 * 8
        assert sheet.height > 2 * 16 + 3 * 8 + 10  # with labels below
        column = np.array(sheet)[sheet.height // 2 :, 16 + 2 * 8 : 2 * 16 + 2 * 8]
    with Image.open(folder / "8.png") as last:
        assert any(np.array_equal(column[top : top + 16], np.array(last)) for top in range(len(column) - 15))


def test_pictures_are_saved_batch_by_batch(draw: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = Target.path.fget
    assert real is not None
    monkeypatch.setattr("fastclipgen.engine.memory.plan", lambda *_: Plan(2, Cut()))
    monkeypatch.setattr("fastclipgen.cli.files.Files.after_step", lambda *_: seen.append(names(folder)))
    done = draw("-n", 3, "--steps", 1, "-o", "{index}.png", "--video", "{index}.gif", "--json")
    assert seen == [[], ["0.gif", "0.png", "1.gif", "1.png"]]
    assert len([event for event in done.events if event["event"] == "picture"]) == 3
    assert [event["steps"] for event in done.events if event["event"] == "step"][-1] == 2


def test_films_of_later_batches_show_their_own_picture(
    draw: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastclipgen.engine.memory.plan", lambda *_: Plan(2, Cut()))
    draw("-n", 3, "-o", "{index}.png", "--video", "{index}.gif", "--frames", "2", "--lr", "1")
    draw("-n", 3, "-o", "start-{index}.png", "--steps", "0")
    for index in range(3):
        film = frames(folder / f"{index}.gif")
        assert len(film) == 2
        for frame, name in zip(film, (f"start-{index}.png", f"{index}.png"), strict=True):
            with Image.open(folder / name) as image:
                assert np.abs(frame - np.array(image).astype(int)).mean() < 12


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk(refused: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    small = ["--generator", "pixels", "--size", "16", "--steps", "2", "--views", "1"]
    sentence = refused("x", *small, "-o", "x.png", "--video", "x.gif")
    assert sentence == "cannot write 'x.png': the disk is full; free some space or choose another folder"


def test_an_unwritable_folder(refused: Callable, folder: Path) -> None:
    (folder / "file").write_text("")
    for option in ("-o", "--grid"):
        sentence = refused("x", option, "file/x.png")
        assert sentence == (
            "cannot write 'file/x.png': a file is where a folder is needed; choose another folder or move that file"
        )
    assert "cannot write 'file/x.gif'" in refused("x", "--video", "file/x.gif")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("-o {sede}.png", "unknown field in the output template 'sede'; did you mean 'seed'?"),
        ("-o x.bmp", "output name 'x.bmp' must end in one of .png, .jpg, .jpeg, .webp but has '.bmp'"),
        ("--video x.png", "must end in one of .mp4, .gif, .webp but has '.png'"),
        ("--grid {slug.png", "cannot be read"),
        ("-o x.jpg --quality 0", "the quality of JPEG and WebP must lie in 1..100 but is 0"),
        ("--quality 80", "--quality is for JPEG and WebP, but 'outputs/{slug}-{seed}.png' is PNG"),
        ("--save-every 0", "expected --save-every of 1 step or more, got 0"),
        ("--video x.gif --frames 0", "a video needs at least one frame but 0 was asked"),
        ("--video x.gif --fps 0", "the frame rate of a .gif video must lie in 1..50 but is 0.0"),
        ("--video x.mp4 --fps nan", "the frame rate of a .mp4 video must lie in 1..240 but is nan"),
        ("--fps 5", "--fps is about a film, but none is asked for; add --video PATH"),
        ("--frames 5", "--frames is about a film, but none is asked for; add --video PATH"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_the_work(
    refused: Callable, monkeypatch: pytest.MonkeyPatch, options: str, sentence: str
) -> None:
    monkeypatch.setattr("fastclipgen.cli.session.Job", lambda *_, **__: pytest.fail("the work began"))
    assert sentence in refused("x", *options.split())


def test_settings_too_long_for_a_jpeg(refused: Callable, draw: Callable) -> None:
    long = "|".join(["a red circle"] * 6000)
    small = ["--generator", "pixels", "--size", "16", "--steps", "0", "--views", "1"]
    assert "shorten the prompts, save as PNG, or leave them out" in refused(long, *small, "-o", "x.jpg")
    draw("-o", "x.jpg", "--steps", "0", "--no-metadata", prompts=(long,))


def test_many_prompts_are_stored_each_with_its_own_picture(draw: Callable, folder: Path) -> None:
    """The settings of a picture hold its own prompt only, so what fits alone fits in a batch."""
    prompts = tuple(f"number {index} of the pictures {'x' * 3000}" for index in range(24))
    draw("-o", "{index}.jpg", "--steps", "0", "--views", "1", prompts=prompts)
    assert read_metadata(folder / "23.jpg")["settings"]["prompts"] == [prompts[23]]
