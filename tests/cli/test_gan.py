"""`--gan`: pictures of a FastGAN and of an exported generator, from the command line and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from safetensors.torch import save_file

from ..generators import tiny_gan
from ..models.test_exported import Net, scripted

SMALL = ("a red circle", "--clip", "builtin", "--views", "2", "--starts", "3", "--seed", "5", "--compile", "off")


@pytest.fixture
def files(folder: Path) -> Path:
    save_file(tiny_gan.checkpoint(), folder / "gan.safetensors")
    torch.export.save(torch.export.export(Net(), (torch.zeros(1, 5),)), folder / "net.pt2")
    scripted(Net()).save(str(folder / "net.pt"))  # pyright: ignore[reportCallIssue]
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_the_film_of_a_run_shows_its_steps_in_order(cli: Callable, files: Path) -> None:
    """The first frame is the start, the last one the picture that is saved, those between go from one to the other."""
    run = (*SMALL, "--gan", "gan.safetensors", "--lr", "0.2", "--schedule", "constant", "--tracks", "1")
    done = cli(*run, "--steps", "12", "--video", "film.gif", "--frames", "12", "-o", "out.png")
    assert done.code == 0, done.err
    start = cli(*run, "--steps", "0", "-o", "start.png")
    assert start.code == 0, start.err
    film = Image.open(files / "film.gif")
    frames = [np.array(frame.convert("RGB")).astype(float) for frame in ImageSequence.Iterator(film)]
    assert len(frames) >= 12
    first, last = pixels(files / "start.png").astype(float), pixels(files / "out.png").astype(float)
    away = [np.abs(frame - first).mean() for frame in frames]
    left = [np.abs(frame - last).mean() for frame in frames]
    # a film of 256 colours is a little off everywhere
    assert away[0] < 0.6 * away[-1], away
    assert left[-1] < 0.6 * left[0], left
    assert np.corrcoef(away, range(len(away)))[0, 1] > 0.9


@pytest.mark.parametrize(("file", "more"), [("net.pt2", ()), ("net.pt", ("--latent-dim", "5"))])
def test_an_exported_generator(cli: Callable, refused: Callable, files: Path, file: str, more: tuple[str, ...]) -> None:
    run = (*SMALL, "--gan", file, *more)
    assert f"'{file}' of the GAN is a" in refused(*run, "--steps", "1")
    trusted = (*run, "--trust-gan", "--range", "-1,1")
    done = cli(*trusted, "--steps", "2", "-o", "out.png", "--json")
    assert done.code == 0, done.err
    assert "trust_gan" not in done.event("start")["settings"]
    assert pixels(files / "out.png").shape == (4, 6, 3)
    narrow = cli(*trusted[:-1], "-0.5,0.5", "--steps", "0", "-o", "narrow.png")
    assert narrow.code == 0, narrow.err
    wide = cli(*trusted, "--steps", "0", "-o", "wide.png")
    assert wide.code == 0, wide.err
    assert pixels(files / "narrow.png").std() > pixels(files / "wide.png").std()
    # neither does a picture bring trust along
    assert "add --trust-gan if you trust them" in refused("rerun", "out.png")
    again = cli("rerun", "out.png", "--trust-gan", "-o", "again.png")
    assert again.code == 0, again.err
    assert np.array_equal(pixels(files / "again.png"), pixels(files / "out.png"))


def test_the_loop_of_another(cli: Callable, files: Path) -> None:
    done = cli(*SMALL[:3], "--gan", "gan.safetensors", "--compat", "clipping-clip-to-gan", "--steps", "1", "--json")
    assert done.code == 0, done.err
    settings = done.event("start")["settings"]
    assert settings["compat"] == "clipping-clip-to-gan"
    assert (settings["optimizer"], settings["weight_decay"]) == ("sgd", 1e-5)
    assert settings["generator_options"]["batch_norm"] == "picture"


def test_mistakes(refused: Callable, files: Path) -> None:
    run = (*SMALL, "--gan", "gan.safetensors")
    assert "is for programs" in refused(*run, "--latent-dim", "12")
    assert "expected two numbers as LOW,HIGH, got '1'" in refused(*run, "--range", "1")
    assert "input should be 'clipping-clip-to-gan'" in refused(*run, "--compat", "other")
    assert "compares latents" not in refused(*run, "--init-weight", "1", "--latent-dim", "12")
