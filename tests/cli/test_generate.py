"""What the options do to the picture: each has an effect, and the same command has the same one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastclipgen.cli import make_parser
from fastclipgen.engine.device import PRECISIONS
from fastclipgen.engine.optimizers import OPTIMIZERS
from fastclipgen.engine.schedule import DEFAULTS
from fastclipgen.generators import registry
from fastclipgen.guidance.constraints import LOSSES
from fastclipgen.ops.cutout_presets import PRESETS

BAR = "a red circle | a dog:0.2"


def save(path: Path, colour: tuple[int, int, int] | int, size: tuple[int, int] = (16, 16)) -> Path:
    Image.new("RGB" if isinstance(colour, tuple) else "L", size, colour).save(path)
    return path


@pytest.mark.parametrize(
    ("common", "option"),
    [
        ("", "--negative dog"),
        ("", "--image-prompt green.png"),
        ("--image-prompt green.png", "--image-prompt green.png:5"),
        ("", "--init green.png"),
        ("--init green.png", "--mask left.png"),
        ("", "--seed 6"),
        ("", "--steps 4"),
        ("", "--generator fourier"),
        ("--generator siren", "-g hidden=8"),
        ("--negative dog", "--clip builtin@0.5"),
        ("", "--views 3"),
        ("", "--cutouts latest"),
        ("--cutouts latest", "--augments Ji,Sh"),
        ("", "--cutouts clipit"),
        ("--optimizer sgd", "--loss spherical"),
        ("--optimizer sgd --constraint tv", "--prompt-sum"),
        ("", "--constraint saturation:5"),
        ("", "--constraint tv:2 --constraint range"),
        ("", "--optimizer sgd"),
        ("", "--learning-rate 0.5"),
        ("--lr 0.4", "--lr 0.5"),
        ("", "--schedule drops:0.1"),
        ("", "--warmup 0.9"),
        ("", "--starts 8"),
        ("--starts 8 --steps 8 --cutouts latest", "--tracks 8"),
        ("", "--ema 0.9"),
        ("--lr 60 --steps 12", "--keep-best"),
        ("", "--precision bf16"),
        ("--image-prompt bands.png", "--image-prompt-recut"),
        ("", "--label dog"),
        ("", "--image-label green.png"),
        ("", "--noise-prompt 3"),
        ("--noise-prompt 3", "--noise-prompt 4:2"),
        ("", "--vector-prompt eye.json"),
        ("", "--spot dog"),
        ("", "--spot-off dog"),
        ("--spot dog", "--spot-mask left.png"),
        ("", "--target-pixels green.png"),
        ("--generator vae --starts 4", "--target-image green.png:5"),
        ("--init green.png --constraint l2:0", "--init-weight-pixels 5"),
        ("--generator vae --starts 4", "--init-weight 5"),
        ("--generator vae --starts 4", "--init-weight-dist 5"),
        ("--generator vae --starts 4", "--init-weight-cos 5"),
        ("--generator vae --starts 4", "--init-weight-decay 50"),
        ("", "--constraint palette:2:[red,blue]"),
        ("--constraint smoothness:5", "--constraint smoothness:5:log:anneal=2"),
    ],
)
def test_options_change_the_picture(pixels: Callable, folder: Path, common: str, option: str) -> None:
    save(folder / "green.png", (40, 200, 60))
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :8] = 255
    Image.fromarray(mask).save(folder / "left.png")
    Image.fromarray(mask[..., None] // np.array([1, 3, 2], np.uint8)).save(folder / "bands.png")
    (folder / "eye.json").write_text(json.dumps({"eye": [list(range(-13, 14))]}))
    prompts = (BAR,)
    before = pixels(*common.split(), prompts=prompts)
    after = pixels(*common.split(), *option.split(), prompts=prompts)
    assert not np.array_equal(before, after)


def test_a_story_of_phases(pixels: Callable) -> None:
    told = [pixels(*option, prompts=("a dog ^ a cat",)) for option in ((), ("--change-prompt-every", "1"))]
    assert not np.array_equal(told[0], told[1])
    assert not np.array_equal(told[0], pixels(prompts=("a dog | a cat",)))


def test_size(pixels: Callable) -> None:
    assert pixels("--size", "20").shape == (20, 20, 3)
    assert pixels("--size", "24x10").shape == (10, 24, 3)


def test_init_and_mask_keep_what_is_black(pixels: Callable, folder: Path) -> None:
    save(folder / "start.png", (40, 200, 60))
    start = pixels("--init", "start.png", "--steps", "0")
    assert np.abs(start.astype(int) - (40, 200, 60)).max() <= 1
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :8] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    drawn = pixels("--init", "start.png", "--mask", "mask.png", "--steps", "5")
    assert np.array_equal(drawn[:, 8:], np.broadcast_to((40, 200, 60), (16, 8, 3)))
    assert not np.array_equal(drawn[:, :8], start[:, :8])


def test_steps_lower_the_loss_of_the_prompt(draw: Callable) -> None:
    losses = [draw("--json", "--steps", steps, "--lr", "0.3").event("picture")["loss"] for steps in (0, 40)]
    assert losses[1] < losses[0] - 0.1


def test_zero_steps_save_the_start(draw: Callable, pixels: Callable) -> None:
    done = draw("--json", "--steps", "0")
    assert done.event("picture")["steps"] == 0
    assert [event["event"] for event in done.events] == ["start", "picture", "done"]
    start = pixels("--steps", "0", "--starts", "1")
    assert np.array_equal(start, pixels("--steps", "0", "--starts", "1", prompts=("another prompt",)))


def test_several_prompts_and_count(draw: Callable, folder: Path) -> None:
    done = draw("-n", 2, "--json", "-o", "{slug}-{index}.png", prompts=("a cat", "a dog|a hat"))
    found = [(event["prompt"], event["seed"], event["path"]) for event in done.events if event["event"] == "picture"]
    assert found == [
        ("a cat", 5, "a-cat-0.png"), ("a cat", 6, "a-cat-1.png"),
        ("a dog|a hat", 7, "a-dog-a-hat-2.png"), ("a dog|a hat", 8, "a-dog-a-hat-3.png"),
    ]  # fmt: skip
    assert len({(folder / path).read_bytes() for _, _, path in found}) == 4
    scores = [event["similarities"]["eye"] for event in done.events if event["event"] == "picture"]
    assert [len(values) for values in scores] == [1, 1, 2, 2]
    assert done.event("start")["pictures"] == done.event("done")["pictures"] == 4


def test_same_command_same_bytes(draw: Callable, folder: Path) -> None:
    for generator, options in {"pixels": (), "vae": ("--starts", "4", "--tracks", "2", "--steps", "1")}.items():
        draw("--generator", generator, *options, "-n", 2, "-o", f"{generator}-a-{{index}}.png")
        draw("--generator", generator, *options, "-n", 2, "-o", f"{generator}-b-{{index}}.png")
        for index in range(2):
            first, second = (folder / f"{generator}-{name}-{index}.png" for name in "ab")
            assert first.read_bytes() == second.read_bytes()


def test_a_seed_is_found_printed_and_stored(cli: Callable, folder: Path) -> None:
    small = ["--generator", "pixels", "--steps", "1", "--views", "1", "--size", "16"]
    seeds = []
    for _ in range(2):
        done = cli("x", *small, "-o", "{seed}.png")
        seed = done.out.strip().removesuffix(".png")
        assert f"seed {seed}" in done.err
        assert f"\n  seed: {seed}\n" in cli("info", f"{seed}.png").out
        seeds.append(seed)
    assert seeds[0] != seeds[1]
    assert "seed 7..9" in cli("x", *small, "--seed", "7", "-n", "3", "-o", "{seed}.png").err


def test_deterministic_pictures_are_the_same_alone_and_in_a_batch(draw: Callable, folder: Path) -> None:
    done = draw("-n", 3, "--deterministic", "--json", "-o", "{index}.png")
    assert [event["steps"] for event in done.events if event["event"] == "step"][-1] == 9  # one after the other
    alone = draw("--seed", 7, "--deterministic", "-o", "alone.png").out.strip()
    assert (folder / alone).read_bytes() == (folder / "2.png").read_bytes()


def test_the_default_output(cli: Callable, folder: Path) -> None:
    done = cli("A red, red circle", "--generator", "pixels", "--size", "16", "--steps", "1", "--seed", "9")
    assert done.out == "outputs/a-red-red-circle-9.png\n"
    assert (folder / done.out.strip()).is_file()


def test_device_and_precision_are_stored(draw: Callable) -> None:
    settings = draw("--device", "cpu", "--precision", "bf16", "--json").event("start")["settings"]
    assert (settings["device"], settings["precision"]) == ("cpu", "bf16")
    assert draw("--json").event("start")["settings"]["precision"] == "fp32"  # what auto is here


@pytest.mark.skipif(torch.cuda.is_available(), reason="gpu: this machine has one")
def test_a_device_that_is_not_here(refused: Callable) -> None:
    assert "device 'cuda' was asked for but is not here; use one of auto, cpu" in refused("x", "--device", "cuda")


def test_help_lists_what_there_is() -> None:
    text = " ".join(make_parser("generate").format_help().split())
    tables = [registry.names(), PRESETS, OPTIMIZERS, LOSSES, DEFAULTS, PRECISIONS]
    assert not [name for table in tables for name in table if name not in text]
