"""Generators that draw with weights from the user's files: from the command line to the picture and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fastclipgen import UserError, generate

from ..generators import tiny_gan
from ..models import cvae_checkpoints, taesd_checkpoints, wgan_checkpoints
from ..models.vqgan_checkpoints import Sizes, taming


@pytest.fixture
def weights(folder: Path) -> Path:
    torch.save({"state_dict": taming(0, Sizes(widths=(32, 64), blocks=1, attention=(1,)))}, folder / "tiny.ckpt")
    save_file(tiny_gan.checkpoint(), folder / "tiny_gan.safetensors")
    torch.save(taesd_checkpoints.decoder(), folder / "tiny_decoder.pth")
    torch.save(taesd_checkpoints.encoder(), folder / "tiny_encoder.pth")
    cvae_checkpoints.write(folder / "tiny.safetensors", embedding=27)  # those of the tests' eye
    cvae_checkpoints.write(folder / "builtin.safetensors")
    wgan_checkpoints.write(folder / "tiny_wgan.safetensors", embedding=27)
    return folder


OPTIONS = {
    "vqgan": ("--vqgan", "tiny.ckpt"),
    "autoencoder": ("--autoencoder", "tiny_decoder.pth"),
    "cvae": ("--cvae", "tiny.safetensors"),
    "wgan": ("--wgan", "tiny_wgan.safetensors"),
    "gan": ("--gan", "tiny_gan.safetensors"),
}
SMALL = ("--clip", "builtin", "--views", "2", "--seed", "5", "--compile", "off", "--size", "19x13")


@pytest.mark.parametrize("name", OPTIONS)
def test_draw_and_draw_again(cli: Callable, weights: Path, name: str) -> None:
    done = cli("a red circle", *SMALL, *OPTIONS[name], "--steps", "2", "--lr", "1", "--json", "-o", "out.png")
    assert done.code == 0, done.err
    settings = done.event("start")["settings"]
    assert (settings["generator"], settings[name]) == (name, OPTIONS[name][1])
    picture = np.array(Image.open(weights / "out.png"))
    assert picture.shape == (13, 19, 3)
    start = cli("a red circle", *SMALL, *OPTIONS[name], "--generator", name, "--steps", "0", "-o", "start.png")
    assert start.code == 0, start.err
    assert not np.array_equal(np.array(Image.open(weights / "start.png")), picture)
    again = cli("rerun", "out.png", "-o", "again.png")
    assert again.code == 0, again.err
    assert np.array_equal(np.array(Image.open(weights / "again.png")), picture)


@pytest.mark.parametrize(
    ("name", "option"),
    [("vqgan", "tile=4"), ("autoencoder", "noise=0.1"), ("cvae", "norm=2"), ("gan", "shell=0.3")],
)
def test_options_need_no_name_of_the_generator(cli: Callable, weights: Path, name: str, option: str) -> None:
    done = cli("x", *SMALL, *OPTIONS[name], "-g", option, "--steps", "1", "--json", "-o", "out.png")
    assert done.code == 0, done.err
    key, _, value = option.partition("=")
    assert done.event("start")["settings"]["generator_options"] == {key: float(value)}


def test_a_start_picture(cli: Callable, weights: Path) -> None:
    Image.new("RGB", (19, 13), (200, 30, 30)).save(weights / "red.png")
    Image.new("RGB", (19, 13), (30, 30, 200)).save(weights / "blue.png")
    for name, options in OPTIONS.items():
        for colour in ("red", "blue"):
            out = ("--steps", "0", "-o", f"{name}-{colour}.png")
            done = cli("x", *SMALL, *options, "--init", f"{colour}.png", *out)
            assert done.code == 0, done.err
        red, blue = (np.array(Image.open(weights / f"{name}-{colour}.png")) for colour in ("red", "blue"))
        assert not np.array_equal(red, blue)


def test_mistakes(refused: Callable, weights: Path) -> None:
    assert "name it with --autoencoder PATH" in refused("x", "--generator", "autoencoder")
    assert "--vqgan names 'none.ckpt', and there is no such file" in refused("x", "--vqgan", "none.ckpt")
    assert "generator 'stack' was asked for" in refused("x", "--vqgan", "tiny.ckpt", "--generator", "stack")
    assert "holds no VQGAN" in refused("x", *SMALL, "--vqgan", "tiny_decoder.pth")
    assert "named by number" in refused("x", *SMALL, "--autoencoder", "tiny.ckpt")


def test_a_module_brings_its_own_weights(weights: Path) -> None:
    class Plane(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plane = torch.nn.Parameter(torch.zeros(3, 8, 8))

        def forward(self) -> torch.Tensor:
            return self.plane.sigmoid()

    with pytest.raises(UserError, match="'vqgan' holds weights of generator 'vqgan', but a module was given"):
        generate("x", generator=Plane(), vqgan="tiny.ckpt", steps=1)


def test_a_cvae_samples_what_the_prompt_says(weights: Path) -> None:
    """Without a step: the same latent under two prompts, and the best of several; attributes and guidance count."""
    settings: dict[str, Any] = {
        "cvae": str(weights / "builtin.safetensors"),
        "clip": ["builtin"],
        "seed": 5,
        "views": 2,
    }
    settings |= {"steps": 0, "compile": "off", "notice": lambda line: None}

    def drawn(*prompts: str, **more: Any) -> np.ndarray:
        asked: dict[str, Any] = {**settings, "starts": 1, **more}
        return np.stack([one.pixels for one in generate(list(prompts), **asked)])

    plain = drawn("a red circle", "a blue star")
    assert np.array_equal(plain[:1], drawn("a red circle"))
    blue = drawn("a blue star", seed=5)
    assert not np.array_equal(plain[0], blue[0])
    assert not np.array_equal(plain[0], drawn("a red circle", generator_options={"attributes": ["a"]})[0])
    assert not np.array_equal(plain[0], drawn("a red circle", generator_options={"guidance": 4.0})[0])
    best = generate("a red circle", **settings, starts=16)[0]
    assert best.loss <= generate("a red circle", **settings, starts=1)[0].loss


def test_a_free_condition_moves_too(weights: Path) -> None:
    settings: dict[str, Any] = {
        "cvae": str(weights / "builtin.safetensors"),
        "clip": ["builtin"],
        "seed": 5,
        "views": 2,
    }
    settings |= {"steps": 3, "starts": 4, "tracks": 2, "compile": "off", "notice": lambda line: None}
    held, free = (
        generate("a red circle", **settings, generator_options={"free_condition": is_free})[0].pixels
        for is_free in (False, True)
    )
    assert not np.array_equal(held, free)


def test_without_a_clip_it_is_that_of_the_file(weights: Path) -> None:
    settings: dict[str, Any] = {"cvae": str(weights / "builtin.safetensors"), "steps": 0, "starts": 1, "seed": 1}
    [result] = generate("a red circle", **settings, notice=lambda line: None)
    assert result.metadata["settings"]["clip"] == ["builtin"]


def test_a_cvae_takes_the_clip_that_it_was_trained_with(weights: Path) -> None:
    cvae_checkpoints.write(weights / "other.safetensors", embedding=512)
    with pytest.raises(UserError, match=r"takes embeddings of 512 numbers, but CLIP 'shapes-clip' gives 128; give the"):
        generate("x", cvae=str(weights / "other.safetensors"), clip=["builtin"], steps=0)
    cvae_checkpoints.write(weights / "untold.safetensors", embedding=0)
    assert generate("x", cvae=str(weights / "untold.safetensors"), clip=["builtin"], steps=1, starts=1, seed=1)
