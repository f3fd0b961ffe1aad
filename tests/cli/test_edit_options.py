"""Edits from the command line: options are settings, and a film of a zoom has a frame for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from fastclipgen.cli.edit_options import add_edit_arguments
from fastclipgen.cli.parser import Parser
from fastclipgen.config.edited import EDITS
from fastclipgen.outputs.metadata import read_metadata

ZOOM = ("--steps", 10, "--lr", "0.3", "--zoom-every", 3, "--zoom", "1.1")


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as film:
        return [np.array(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(film)]


def test_every_option_is_a_setting() -> None:
    parser = Parser()
    add_edit_arguments(parser)
    assert set(vars(parser.parse([]))) == set(EDITS)


def test_all_options_reach_the_picture_and_it_is_made_again(draw: Callable, cli: Callable, folder: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 255, 0, 128)).save(folder / "green.png")
    overlay = ("--overlay", "green.png", "--overlay-every", 4, "--overlay-offset", 1, "--overlay-until", 6)
    more = ("--overlay-alpha", "0.5", "--zoom-rotate", "-3", "--zoom-shift=-1,2", "--zoom-from", 4, "-n", 2)
    draw(*ZOOM, *overlay, *more, "-o", "{seed}.png")
    stored = read_metadata(folder / "6.png")["settings"]
    assert {name: stored[name] for name in EDITS} == {
        "overlay": "green.png", "overlay_every": 4, "overlay_offset": 1, "overlay_until": 6, "overlay_alpha": 0.5,
        "zoom_every": 3, "zoom": 1.1, "zoom_rotate": -3.0, "zoom_shift": [-1, 2], "zoom_from": 4,
    }  # fmt: skip
    for seed in (5, 6):
        done = cli("rerun", f"{seed}.png", "-o", "again.png")
        assert done.code == 0, done.err
        with Image.open(folder / f"{seed}.png") as one, Image.open(folder / done.out.strip()) as other:
            assert np.abs(np.array(one).astype(int) - np.array(other)).max() <= 1, "batches may round otherwise"


def test_a_film_has_a_frame_before_each_zoom_and_the_finished_picture(draw: Callable, folder: Path) -> None:
    draw(*ZOOM, "--size", "32", "--video", "film.webp", "--save-every", 1)
    film = frames(folder / "film.webp")
    taken = {path.stem: np.array(Image.open(path)).astype(int) for path in folder.glob("*.png")}
    nearest = [min(taken, key=lambda name: np.abs(frame - taken[name]).mean()) for frame in film]
    # before the zooms at 3, 6 and 9, and the end
    assert nearest == ["out-step00002", "out-step00005", "out-step00008", "out"]
    draw(*ZOOM, "--video", "all.webp", "--frames", 11)
    assert len(frames(folder / "all.webp")) == 11


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--zoom-shift 3", "argument --zoom-shift: expected X,Y in whole pixels, got '3'; see fastclipgen --help"),
        ("--zoom-shift 1,2.5", "expected X,Y in whole pixels, got '1,2.5'"),
        ("--zoom 1.1", "the setting 'zoom' needs 'zoom_every', which is missing; add --zoom-every N, or leave it out"),
        ("--overlay a.png", "expected how many steps lie between overlays, got none; add --overlay-every N"),
        ("--overlay a.png --overlay-every 2", "a.png"),
        ("--zoom-every 2 --generator vae", "generator 'vae' does not do well enough; use generator stack, pixels"),
        (
            "--zoom-every 99 --steps 5",
            "none of the 5 steps of this run has a zoom; raise --steps or lower --zoom-every",
        ),
    ],
)
def test_refusals(refused: Callable, options: str, sentence: str) -> None:
    small = ("--size", "16", "--views", "1", "--starts", "1", "--tracks", "1", "--clip", "builtin")
    assert sentence in refused("x", *small, *options.split())


def test_what_is_interrupted_is_made_again_up_to_there(
    draw: Callable, cli: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the fourth step: one zoom was made, and the next is not."""
    with monkeypatch.context() as patch:
        patch.setattr("fastclipgen.cli.session.Session._is_over", lambda self: self._step >= 4)
        draw(*ZOOM, "--video", "film.webp")
    assert read_metadata(folder / "out.png")["steps_done"] == 4
    assert len(frames(folder / "film.webp")) == 2
    done = cli("rerun", "out.png", "-o", "again.png")
    assert done.code == 0, done.err
    with Image.open(folder / "out.png") as one, Image.open(folder / "again.png") as other:
        assert np.array_equal(np.array(one), np.array(other))
