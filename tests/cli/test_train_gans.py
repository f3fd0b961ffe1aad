"""`fastclipgen train wgan-gp` and `train cvae-gan`: options reach the trainings, and mistakes are sentences."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from fastclipgen.models import cvae_dialects, wgan_dialects
from fastclipgen.training import cvae_gan_run, wgan_run
from fastclipgen.weights.checkpoint import read_metadata

COMMON = ("--steps", "2", "--batch", "4", "--size", "16", "--pictures", "32", "--threads", "1", "--device", "cpu")
WGAN = (
    "train",
    "wgan-gp",
    *COMMON,
    "--channels",
    "4",
    "--critic-channels",
    "4",
    "--latent",
    "6",
    "--critic-steps",
    "2",
)
CVAE_GAN = (
    "train", "cvae-gan", *COMMON, "--channels", "8,12", "--latent", "4", "--discriminator-channels", "4",
    "--precision", "fp32",
)  # fmt: skip
OUT = ("--out", "run", "--quiet")
SHARED = {
    "--data": "folder:x", "--attributes": "y.csv", "--size": "32", "--crop": "squash", "--short-side": "40",
    "--pictures": "9", "--clip": "RN50", "--cache": "c", "--condition": "both", "--condition-dropout": "0.2",
    "--out": "here", "--steps": "9", "--batch": "2", "--learning-rate": "0.5", "--seed": "3", "--threads": "1",
    "--evaluate-every": "4", "--save-every": "5", "--ema": "0.9", "--device": "cpu", "--latent": "7",
}  # fmt: skip


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastclipgen.training.wgan.HELD_OUT", 8)
    monkeypatch.setattr("fastclipgen.training.wgan.SETTLING", 2)
    monkeypatch.setattr("fastclipgen.training.cvae.HELD_OUT", 8)
    monkeypatch.setattr("fastclipgen.training.cvae.WHITENED", 8)


@pytest.mark.parametrize(
    ("model", "module", "function", "own"),
    [
        ("wgan-gp", wgan_run, "train_wgan",
         {"--channels": "8", "--critic-channels": "9", "--critic-steps": "3", "--penalty": "4.0"}),
        ("cvae-gan", cvae_gan_run, "train_cvae_gan",
         {"--pixels": "0.5", "--features": "0.25", "--gamma": "3.0", "--discriminator-channels": "6",
          "--rests-below": "0.75", "--beta": "0.125", "--precision": "fp32", "--compile": "off"}),
    ],
)  # fmt: skip
def test_every_option_arrives(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, model: str, module: Any, function: str, own: dict[str, str]
) -> None:
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(getattr(module, function))

    def train(*args: Any, **kwargs: Any) -> dict[str, float]:
        bound = signature.bind(*args, **kwargs).arguments
        calls.append({name: value for name, value in bound.items() if name not in ("options", "pictures")})
        calls[-1] |= bound.get("options", {}) | bound.get("pictures", {})
        return {}

    monkeypatch.setattr(module, function, train)
    given = SHARED | own
    assert cli("train", model, *(text for pair in given.items() for text in pair), "--fresh").code == 0
    [call] = calls
    texts = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    assert {name: str(call[name]) for name in texts} == texts
    assert (call["fresh"], call["quiet"], call["tensorboard"]) == (True, False, False)


@pytest.mark.parametrize("condition", ["both", "none"])
def test_a_tiny_wgan_from_options_to_files(cli: Callable, folder: Path, condition: str) -> None:
    done = cli(*WGAN, *OUT, "--condition", condition)
    assert (done.code, done.out) == (0, ""), done.err
    path = folder / "run" / "shapes_wgan.safetensors"
    tensors, metadata = load_file(path), read_metadata(path)
    found = wgan_dialects.about(tensors, metadata, "it")
    wgan_dialects.build(tensors, found, "it")
    attributes, embedding = condition in ("attributes", "both"), condition in ("clip", "both")
    assert (found.geometry.attributes, found.geometry.embedding) == (55 * attributes, 128 * embedding)
    assert (len(found.attributes), found.clip) == (55 * attributes, "builtin" if embedding else "")
    record = json.loads((folder / "run" / "metrics.json").read_text())
    assert (record["model"], record["data"], record["critic_steps"]) == ("wgan-gp", "shapes", 2)
    assert record["held_out"]["kernel_distance"] > 0
    assert {"checkpoint.pt", "best.pt", "samples"} <= {path.name for path in (folder / "run").iterdir()}
    if condition == "both":
        again = cli(*WGAN, "--out", "run", "--condition", "both")
        assert "going on from step 2 of 2" in again.out


def test_a_tiny_cvae_gan_is_a_cvae(cli: Callable, folder: Path) -> None:
    done = cli(*CVAE_GAN, *OUT, "--condition", "attributes")
    assert (done.code, done.out) == (0, ""), done.err
    path = folder / "run" / "shapes_cvae-gan.safetensors"
    tensors = load_file(path)
    found = cvae_dialects.about(tensors, read_metadata(path), "it")
    assert (found.geometry.channels, found.geometry.embedding) == ((8, 12), 0)
    cvae_dialects.build(tensors, found, "it")
    assert json.loads((folder / "run" / "metrics.json").read_text())["rests_below"] == 0.5
    drawn = cli("a red circle", "--generator", "cvae", "--cvae", path, "--steps", "0", "--size", "16", "-o", "out.png")
    assert drawn.code == 0, drawn.err


@pytest.mark.parametrize(
    ("command", "arguments", "sentence"),
    [
        (WGAN, ["--size", "48"], "expected pictures of a side of 8, 16, 32, 64, 128 ..., got 48"),
        (WGAN, ["--penalty", "-1"], "--penalty must be 0 or more; 10 is usual, got -1.0"),
        (WGAN, ["--condition-dropout", "1"], "--condition-dropout must be 0 or more and below 1, got 1.0"),
        (WGAN, ["--ema", "1.5"], "--ema must be 0 or more and below 1, got 1.5"),
        (WGAN, ["--learning-rate", "2"], "a --learning-rate between 0 and 1, got 2, 4 and 2.0"),
        (WGAN, ["--data", "shaps"], "unknown data 'shaps'; did you mean 'shapes'"),
        (WGAN, ["--critic-steps", "0"], "argument --critic-steps: expected a whole number of 1 or more, got 0"),
        (WGAN, ["--precision", "bf16"], "unknown option '--precision'"),
        (CVAE_GAN, ["--size", "20"], "expected a --size of a multiple of 8 for the discriminator, got 20"),
        (CVAE_GAN, ["--gamma", "-1"], "--gamma must be 0 or more, got -1.0"),
        (CVAE_GAN, ["--rests-below", "-1"], "--rests-below must be 0 or more, got -1.0"),
        (CVAE_GAN, ["--pixels", "0", "--features", "0"], "nothing is compared with --pixels 0 and --features 0"),
        (CVAE_GAN, ["--beta", "-1"], "--beta must be 0 or more, got -1.0"),
    ],
)
def test_mistakes(
    refused: Callable, folder: Path, command: tuple[str, ...], arguments: list[str], sentence: str
) -> None:
    assert sentence in refused(*command, *OUT, *arguments)


@pytest.mark.parametrize(("command", "name"), [(WGAN, "wgan-gp"), (CVAE_GAN, "cvae-gan")])
def test_several_processes(
    refused: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert f"'{name}' is trained by one process, torchrun started 2" in refused(*command, *OUT)
