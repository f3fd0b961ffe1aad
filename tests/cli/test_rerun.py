"""`fastclipgen rerun` makes the very same picture, whatever it was saved as and batched with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.api import generate
from fastclipgen.cli.rerun import _changes
from fastclipgen.outputs.metadata import read_metadata, save_options, versions


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_the_same_bytes_beside_the_original(draw: Callable, cli: Callable, folder: Path) -> None:
    draw("--negative", "dog", "--ema", "0.5", "--constraint", "tv", "--schedule", "linear:0.5", "-o", "a/b.png")
    done = cli("rerun", "a/b.png")
    assert (done.code, done.out) == (0, "a/b-1.png\n")
    assert (folder / "a/b-1.png").read_bytes() == (folder / "a/b.png").read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        "--generator vae --starts 4 --tracks 2 --size 24x16",
        "--generator stack --optimizer sgd --lr 0.2",
        "--generator siren -g hidden=8 --keep-best",
        "--init start.png --mask start.png --image-prompt start.png:2",
        "--clip builtin@-0.5 --loss spherical --prompt-sum",
    ],
)
def test_all_kinds_of_settings(draw: Callable, cli: Callable, folder: Path, options: str) -> None:
    Image.linear_gradient("L").resize((16, 16)).save(folder / "start.png")
    draw(*options.split(), "-o", "x.png")
    assert cli("rerun", "x.png").code == 0
    assert (folder / "x-1.png").read_bytes() == (folder / "x.png").read_bytes()


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_lossy_file_gives_the_exact_picture(draw: Callable, cli: Callable, folder: Path, suffix: str) -> None:
    draw("-o", "exact.png")
    draw("-o", f"lossy.{suffix}", "--quality", "40")
    assert not np.array_equal(read(folder / f"lossy.{suffix}"), read(folder / "exact.png"))
    assert cli("rerun", f"lossy.{suffix}", "-o", "again.png").code == 0
    assert np.array_equal(read(folder / "again.png"), read(folder / "exact.png"))


def test_a_member_of_a_batch(draw: Callable, cli: Callable, folder: Path) -> None:
    prompts = ("a cat", "a dog|a hat:0.5", "a cat:2:0.1")
    draw("--deterministic", "-n", 2, "-o", "{index}.png", prompts=prompts)
    for index in (1, 3, 4):
        assert cli("rerun", f"{index}.png", "-o", "again-{seed}.png").code == 0
        assert (folder / f"again-{5 + index}.png").read_bytes() == (folder / f"{index}.png").read_bytes()


def test_a_member_of_a_batch_made_in_one_go(draw: Callable, cli: Callable, folder: Path) -> None:
    """Without --deterministic the numbers drawn are the same; only the order of additions may differ."""
    draw("-n", 3, "-o", "{index}.png")
    cli("rerun", "2.png", "-o", "again.png")
    assert np.abs(read(folder / "again.png").astype(int) - read(folder / "2.png")).max() <= 1


def test_an_interrupted_picture_is_made_up_to_its_step(draw: Callable, cli: Callable, folder: Path) -> None:
    whole = draw("--steps", 6, "--schedule", "cosine:0.1", "-o", "whole.png", "--save-every", "4").out.split()
    assert whole == ["whole-step00004.png", "whole.png"]
    metadata = read_metadata(folder / "whole.png")
    metadata["steps_done"] = 4  # as Ctrl-C during the fifth step leaves it
    Image.fromarray(read(folder / "whole.png")).save(folder / "cut.png", **save_options(metadata, "PNG"))
    done = cli("rerun", "cut.png", "-o", "again.png", "--json")
    assert done.event("picture")["steps"] == 4
    assert [event["steps"] for event in done.events if event["event"] == "step"][-1] == 4
    assert np.array_equal(read(folder / "again.png"), read(folder / "whole-step00004.png"))
    assert not np.array_equal(read(folder / "again.png"), read(folder / "whole.png"))


def test_output_options_are_those_of_generate(draw: Callable, cli: Callable, folder: Path) -> None:
    draw()
    done = cli("rerun", "out.png", "--video", "v.gif", "--frames", "2", "--save-every", "2", "--no-metadata", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (folder / "v.gif").is_file()
    assert (folder / "out-step00002.png").is_file()
    assert cli("info", "out-1.png").code == 2


def test_braces_in_a_name_are_no_fields(draw: Callable, cli: Callable, folder: Path) -> None:
    draw("-o", "a{{x}}.png")
    assert cli("rerun", "a{x}.png").out == "a{x}-1.png\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="gpu: this machine has one")
def test_another_device(draw: Callable, cli: Callable, refused: Callable) -> None:
    draw()
    assert cli("rerun", "out.png", "--device", "cpu", "--json").event("start")["settings"]["device"] == "cpu"
    assert "device 'cuda' was asked for but is not here" in refused("rerun", "out.png", "--device", "cuda")


def test_other_versions_are_noticed(draw: Callable, cli: Callable, folder: Path) -> None:
    assert _changes({"versions": versions()}) == []
    [notice] = _changes({"versions": {**versions(), "torch": "1.0"}})
    assert notice.startswith("made with other versions (torch 1.0 -> ")
    for strange in ({}, {"versions": None}, {"versions": [1]}):
        assert len(_changes(strange)) == 1
    draw()
    assert "other versions" not in cli("rerun", "out.png").err


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"x": 1}, "'x.png' holds no settings of a run"),
        ({"settings": {"prompts": ["x"], "stepz": 3}}, "unknown setting 'stepz'; did you mean 'steps'?"),
        ({"settings": {"prompts": ["x"], "steps": "\x1b[2J"}}, "setting 'steps': input should be a valid integer"),
        ({"settings": {"prompts": ["x"], "generator": "magic"}}, "unknown generator 'magic'"),
        ({"settings": {"prompts": ["x"], "generator": "stack", "generator_options": {"a": 1}}}, "unknown option of"),
    ],
)
def test_settings_that_cannot_be(refused: Callable, folder: Path, metadata: dict[str, Any], sentence: str) -> None:
    Image.new("RGB", (4, 4)).save(folder / "x.png", **save_options(metadata, "PNG"))
    found = refused("rerun", "x.png")
    assert sentence in found
    assert "\x1b" not in found


def test_a_picture_of_a_program_with_its_own_modules(refused: Callable, eye: torch.nn.Module, folder: Path) -> None:
    [result] = generate("x", perceptors=[eye], generator="pixels", steps=1, views=1, size=16)
    result.save(folder / "x.png")
    assert refused("rerun", "x.png") == (
        "'x.png' was made by a Python program with its own perceptors, which no picture can store; "
        "run that program again"
    )
