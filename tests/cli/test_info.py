"""`fastclipgen info`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fastclipgen.outputs.metadata import save_options


def test_settings_for_people(draw: Callable, cli: Callable) -> None:
    draw("--negative", "dog", "--constraint", "tv:2")
    lines = cli("info", "out.png").out.splitlines()
    assert lines[0] == "settings:"
    assert {"  seed: 5", "  steps: 3", "  generator: pixels", "  optimizer: adam", "steps_done: 3"} <= set(lines)


def test_several_files_and_json(draw: Callable, cli: Callable) -> None:
    draw("-n", 2)
    text = cli("info", "out.png", "out-1.png").out
    assert text.startswith("out.png\n")
    assert "\nout-1.png\n" in text
    first, second = cli("info", "out.png", "--json", "out-1.png").events
    assert (first["file"], first["settings"]["seed"]) == ("out.png", 5)
    assert (second["file"], second["settings"]["seed"]) == ("out-1.png", 6)


def test_hostile_settings_do_not_reach_the_terminal(cli: Callable, folder: Path) -> None:
    metadata = {"settings": {"prompts": ["\x1b[2J\nfake: line"], "loss": float("nan")}}
    Image.new("RGB", (4, 4)).save(folder / "x.png", **save_options(metadata, "PNG"))
    text = cli("info", "x.png").out
    assert "\x1b" not in text
    assert "\nfake" not in text
    assert cli("info", "x.png", "--json").events[0]["settings"]["loss"] is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.png", "image 'none.png' does not exist"),
        ("text.png", "'text.png' is not an image that can be read"),
        ("plain.png", "'plain.png' holds no fastclipgen settings"),
        (".", "image '.' is a folder"),
    ],
)
def test_files_without_settings(refused: Callable, folder: Path, name: str, sentence: str) -> None:
    (folder / "text.png").write_text("no picture")
    Image.new("RGB", (4, 4)).save(folder / "plain.png")
    assert sentence in refused("info", name)
